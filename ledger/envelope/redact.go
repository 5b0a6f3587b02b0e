package envelope

import (
	"fmt"
	"io"
	"log/slog"
)

// What opens an event, and what an opening shows, must not reach a log by a
// stray %v. Bytes are to be had from the fields and from Marshal.

func (f *FullOpening) Format(s fmt.State, _ rune)  { io.WriteString(s, "[full opening]") }
func (f *FullOpening) LogValue() slog.Value        { return slog.StringValue("[full opening]") }
func (f *FieldOpening) Format(s fmt.State, _ rune) { io.WriteString(s, "[field opening]") }
func (f *FieldOpening) LogValue() slog.Value       { return slog.StringValue("[field opening]") }
func (o *Opening) Format(s fmt.State, _ rune)      { io.WriteString(s, "[opening]") }
func (o *Opening) LogValue() slog.Value            { return slog.StringValue("[opening]") }
func (d Disclosed) Format(s fmt.State, _ rune)     { io.WriteString(s, "[disclosed members]") }
func (d Disclosed) LogValue() slog.Value           { return slog.StringValue("[disclosed members]") }
func (d Disclosure) Format(s fmt.State, _ rune)    { io.WriteString(s, "[disclosure]") }
func (d Disclosure) LogValue() slog.Value          { return slog.StringValue("[disclosure]") }
func (m Member) Format(s fmt.State, _ rune)        { io.WriteString(s, "[member]") }
func (m Member) LogValue() slog.Value              { return slog.StringValue("[member]") }
func (m DisclosedMember) Format(s fmt.State, _ rune) {
	io.WriteString(s, "[member]")
}
func (m DisclosedMember) LogValue() slog.Value { return slog.StringValue("[member]") }

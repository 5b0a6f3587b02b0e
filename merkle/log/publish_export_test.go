package log

import (
	"context"
	"time"

	"github.com/lacunalog/lacuna/merkle"
)

// NoPause lets heads be signed to be published without a second between them, and
// Publish wait for all witnesses.
func NoPause(o *Options) {
	setSeams(o)
	o.seams.straggle = time.Hour
	o.seams.pause = func(context.Context, time.Duration) error { return nil }
}

// NoStragglers makes Publish wait for nobody whom the policy can do without.
func NoStragglers(o *Options) {
	setSeams(o)
	o.seams.straggle = time.Nanosecond
}

// OnPublishPause makes f wait between two heads that are signed to be published.
func OnPublishPause(o *Options, f func(context.Context, time.Duration) error) {
	setSeams(o)
	o.seams.pause = f
}

// OnPublishing makes f be called by Publish between its steps: signed, answered,
// archiving, archived, shown.
func OnPublishing(o *Options, f func(step string)) {
	setSeams(o)
	o.seams.publishing = f
}

// ShowEarly makes a head be shown before it is archived.
func ShowEarly(o *Options) {
	setSeams(o)
	o.seams.showEarly = true
}

// Keys of the rows of published heads.
var (
	ArchiveKey = archiveKey
	LatestKey  = latestKey
	PolicyKey  = policyKey
	AheadKey   = aheadKey
)

// ParseAheadRow reads the row that says that a witness is ahead, and writes it again.
func ParseAheadRow(b []byte, origin string, v merkle.Verifier) (again []byte, size uint64, err error) {
	a, err := parseAheadRow(b, origin, v)
	if err != nil {
		return nil, 0, err
	}
	return a.bytes(), a.known.Size, nil
}

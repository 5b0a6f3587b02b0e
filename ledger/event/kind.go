package event

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Kind is what a value may look like.
type Kind uint8

// The kinds. Those that say "or full" take what Fill makes of a value as well,
// so that an event in full form can be sent again as it is.
const (
	kNothing      Kind = iota // the member does not exist in this form
	kText                     // a string of at most 4,096 bytes
	kLongText                 // a string of at most 32 KiB
	kID                       // a string of 1 to 128 bytes without control characters
	kName                     // the name of something in the register: letters, digits, - _ . , at most 64
	kRef                      // a name, with @version or without
	kPurposeRef               // a name, or "*"
	kNameList                 // list of names
	kCategories               // list of category or attribute names, never of values
	kBool                     // true or false
	kTrue                     // true; what is not so is left out
	kNumber                   // a whole number from 0 to 999,999,999
	kTime                     // RFC 3339
	kDuration                 // ISO 8601
	kRetentionAny             // ISO 8601, or full
	kRetentionFul             // {"for":"P8Y","from":"year_end"}
	kContact                  // mailto:, tel: or chat:
	kCountry                  // ISO 3166-1 alpha-2, or with a subdivision: DE, DE-BY
	kCountryList              //
	kLang                     // BCP 47: de, de-AT
	kLangMap                  // {"de":"…","en":"…"}
	kURL                      // https:// or http://
	kHex256                   // SHA-256 in 64 hex digits
	kHash                     // "sha256:" and 64 hex digits
	kEvidence                 // list of hashes
	kEnum                     // one of the values of the field
	kEnumList                 // list of them
	kFormArg                  // Ref, or full
	kFormFull                 // {"id":"web-newsletter","leaf":"…","version":1}
	kNoticeArg                // Ref, or full
	kNoticeFull               // {"id":"privacy-de","version":3}
	kDecisions                // {"newsletter":"yes","chat-service":"no"}
	kKeywords                 // {"give":["start"],"withdraw":["stop"]}
	kActorArg                 // {"id":"…"}, or full
	kActorFull                // {"id":"…","role":"append","service":"webshop"}
	kScope                    // {"compartments":[…],"purposes":[…],"since":"…","until":"…"}
	kChains                   // list of {"cohort","compartment","count","head"}
	kNull                     // null: the member is there so that its absence tells nothing
	kFileName                 // the command line turns file names into hashes; here they are refused
	kObject                   // any object
)

var kindNames = [...]string{
	kNothing: "nothing", kText: "text", kLongText: "text", kID: "text, at most 128 bytes", kName: "name", kRef: "name or name@version",
	kPurposeRef: `name or "*"`, kNameList: "list of names", kCategories: "list of category names", kBool: "true or false", kTrue: "true",
	kNumber: "whole number", kTime: "time, RFC 3339", kDuration: "duration, ISO 8601", kRetentionAny: `duration, or {"for","from"}`,
	kRetentionFul: `{"for","from"}`, kContact: "mailto:, tel: or chat:", kCountry: "country, ISO 3166", kCountryList: "list of countries",
	kLang: "language, BCP 47", kLangMap: "{language: text}", kURL: "URL", kHex256: "SHA-256 in hex", kHash: "sha256:hex",
	kEvidence: "list of sha256:hex", kEnum: "one of", kEnumList: "list of", kFormArg: "name or name@version", kFormFull: `{"id","version","leaf"}`,
	kNoticeArg: "name or name@version", kNoticeFull: `{"id","version"}`, kDecisions: `{purpose: "yes" or "no"}`,
	kKeywords: `{"give","withdraw"}`, kActorArg: `{"id"}`, kActorFull: `{"role","service","id"}`,
	kScope: `{"purposes","compartments","since","until"}`, kChains: `list of {"compartment","cohort","count","head"}`,
	kNull: "null", kFileName: "file name (command line)", kObject: "object",
}

func (k Kind) String() string {
	switch k {
	case subjectKind:
		return "text, at most 256 bytes"
	case tokenKind:
		return "text of the token"
	case ageKind:
		return "below_N or at_least_N"
	case nullableID:
		return "text, or null"
	}
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown kind"
}

// checkValue holds a canonical value against a kind and adds what is wrong.
func checkValue(k Kind, values []string, v []byte, path string, rs *reasons) {
	bad := func(hint string) { rs.add(OutOfRange, path, hint) }
	str := func() (string, bool) {
		s, ok := inner(v)
		if !ok {
			rs.add(WrongType, path, "a string is wanted")
		}
		return string(s), ok
	}
	switch k {
	case kText, kLongText:
		limit := 4096
		if k == kLongText {
			limit = 32 << 10
		}
		if s, ok := str(); ok && (s == "" || len(s) > limit) {
			bad("a text that is not empty and not longer than " + string(intValue(limit)) + " bytes")
		}
	case kID:
		if s, ok := str(); ok && !validID(s) {
			bad("1 to 128 bytes without control characters")
		}
	case kName:
		if s, ok := str(); ok && !validName(s) {
			bad("letters, digits and - _ . ; at most 64 of them")
		}
	case kPurposeRef:
		if s, ok := str(); ok && s != "*" && !validName(s) {
			bad(`the purpose_id of a declared purpose, or "*"`)
		}
	case kRef:
		if s, ok := str(); ok {
			if _, _, ok := splitRef(s); !ok {
				bad("a name, or a name with its version: privacy-de@3")
			}
		}
	case kFormArg, kNoticeArg:
		if len(v) > 0 && v[0] == '{' {
			checkFullRef(v, k == kFormArg, path, rs)
		} else {
			checkValue(kRef, nil, v, path, rs)
		}
	case kFormFull, kNoticeFull:
		checkFullRef(v, k == kFormFull, path, rs)
	case kNameList:
		eachString(v, path, rs, func(s string) string {
			if !validName(s) {
				return "letters, digits and - _ . ; at most 64 of them"
			}
			return ""
		})
	case kCategories:
		checkCategories(v, path, rs)
	case kBool:
		if s := string(v); s != "true" && s != "false" {
			rs.add(WrongType, path, "true or false")
		}
	case kTrue:
		if string(v) != "true" {
			rs.add(WrongType, path, "true; leave it out where it is not so")
		}
	case kNumber:
		if _, ok := intOf(v); !ok {
			rs.add(WrongType, path, "a whole number from 0")
		}
	case kTime:
		if s, ok := str(); ok {
			if _, err := ParseTime(s); err != nil {
				bad(err.Error())
			}
		}
	case kDuration:
		if s, ok := str(); ok {
			if p, err := ParsePeriod(s); err != nil {
				bad(err.Error())
			} else if p.IsZero() {
				bad("a period longer than nothing")
			}
		}
	case kRetentionAny, kRetentionFul:
		if _, hint := parseRetention(v); hint != "" {
			bad(hint)
		}
	case kContact:
		if s, ok := str(); ok {
			if _, err := NormalContact(s); err != nil {
				bad(err.Error())
			}
		}
	case kCountry:
		if s, ok := str(); ok && !validCountry(s) {
			bad("a country code of ISO 3166: DE, AT")
		}
	case kCountryList:
		eachString(v, path, rs, func(s string) string {
			if !validCountry(s) {
				return "a country code of ISO 3166: DE, AT"
			}
			return ""
		})
	case kLang:
		if s, ok := str(); ok && !validLang(s) {
			bad("a language tag: de, de-AT")
		}
	case kLangMap:
		checkLangMap(v, path, rs)
	case kURL:
		if s, ok := str(); ok && (len(s) > 2048 || !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") || !validID(s[:min(len(s), 128)])) {
			bad("an address that starts with https://")
		}
	case kHex256:
		if s, ok := str(); ok && !validHex256(s) {
			bad("SHA-256 in 64 lower-case hex digits")
		}
	case kHash:
		if s, ok := str(); ok && !validHash(s) {
			bad(`"sha256:" and 64 lower-case hex digits; the command line makes it from a file name`)
		}
	case kEvidence:
		eachString(v, path, rs, func(s string) string {
			if !validHash(s) {
				return `"sha256:" and 64 lower-case hex digits; the command line makes it from a file name`
			}
			return ""
		})
	case kEnum:
		if s, ok := str(); ok && !oneOf(s, values) {
			bad("one of: " + strings.Join(values, ", "))
		}
	case kEnumList:
		eachString(v, path, rs, func(s string) string {
			if !oneOf(s, values) {
				return "one of: " + strings.Join(values, ", ")
			}
			return ""
		})
	case kDecisions:
		checkDecisions(v, path, rs)
	case kKeywords:
		checkObject(v, path, rs, []part{{"give", true, keywordList}, {"withdraw", true, keywordList}})
	case kActorArg:
		checkObject(v, path, rs, []part{{"id", false, kID}, {"role", false, kID}, {"service", false, kID}})
	case kActorFull:
		checkObject(v, path, rs, []part{{"id", false, kID}, {"role", true, kID}, {"service", false, kID}})
	case kScope:
		checkObject(v, path, rs, []part{{"compartments", false, kNameList}, {"purposes", false, kNameList}, {"since", false, kTime}, {"until", false, kTime}})
	case kChains:
		checkList(v, path, rs, func(x []byte, p string) {
			checkObject(x, p, rs, []part{{"cohort", true, cohortKind}, {"compartment", true, kName}, {"count", true, kNumber}, {"head", true, kID}})
		})
	case keywordList:
		eachString(v, path, rs, func(s string) string {
			if !validID(s) || strings.ToLower(s) != s || strings.TrimSpace(s) != s {
				return "a word in lower case"
			}
			return ""
		})
	case cohortKind:
		if s, ok := str(); ok && !validCohort(s) {
			bad(`"", a year or a month`)
		}
	case subjectKind:
		if s, ok := str(); ok && !validSubject(s) {
			bad("1 to 256 bytes without control characters")
		}
	case tokenKind:
		if s, ok := str(); ok && (s == "" || len(s) > 256) {
			bad("the token as the link brought it")
		}
	case ageKind:
		if s, ok := str(); ok {
			if _, _, ok := splitAge(s); !ok {
				bad("below_16 or at_least_16, with the form's min_age")
			}
		}
	case nullableID:
		if string(v) != "null" {
			checkValue(kID, nil, v, path, rs)
		}
	case kNull:
		if string(v) != "null" {
			rs.add(WrongType, path, "null")
		}
	case kFileName:
		rs.add(ValueNotAllowed, path, "the command line reads files; here send their hash")
	case kObject:
		if len(v) == 0 || v[0] != '{' {
			rs.add(WrongType, path, "an object is wanted")
		}
	default:
		rs.add(NotYours, path, "leave it out: the ledger fills it")
	}
}

// Kinds that only this package uses.
const (
	keywordList Kind = 200 + iota
	cohortKind
	subjectKind
	tokenKind  // the text of a token
	ageKind    // below_16, at_least_16
	nullableID // ID or null
)

// a part is a member of a small object inside an event.
type part struct {
	name string
	must bool
	kind Kind
}

func checkObject(v []byte, path string, rs *reasons, parts []part) {
	if len(v) == 0 || v[0] != '{' {
		rs.add(WrongType, path, "an object is wanted")
		return
	}
	seen := 0
next:
	for name, x := range fields(v) {
		for i, p := range parts {
			if p.name == name {
				seen |= 1 << i
				checkValue(p.kind, nil, x, pointer(path, name), rs)
				continue next
			}
		}
		known := make([]string, len(parts))
		for i, p := range parts {
			known[i] = p.name
		}
		rs.add(UnknownMember, pointer(path, name), didYouMean(name, known, ""))
	}
	for i, p := range parts {
		if p.must && seen&(1<<i) == 0 {
			rs.add(MissingMember, pointer(path, p.name), "")
		}
	}
}

func checkList(v []byte, path string, rs *reasons, each func(x []byte, path string)) {
	if len(v) == 0 || v[0] != '[' {
		rs.add(WrongType, path, "a list is wanted")
		return
	}
	n := 0
	for i, x := range elements(v) {
		n++
		each(x, path+"/"+string(intValue(i)))
	}
	if n == 0 {
		rs.add(OutOfRange, path, "a list with something in it; leave it out where there is nothing")
	}
}

func eachString(v []byte, path string, rs *reasons, hint func(s string) string) {
	checkList(v, path, rs, func(x []byte, p string) {
		s, ok := inner(x)
		if !ok {
			rs.add(WrongType, p, "a string is wanted")
			return
		}
		if h := hint(string(s)); h != "" {
			rs.add(OutOfRange, p, h)
		}
	})
}

// checkCategories refuses values in the place of names: what has a blank, an @
// or a digit at its start is a person's, not a column's.
func checkCategories(v []byte, path string, rs *reasons) {
	checkList(v, path, rs, func(x []byte, p string) {
		s, ok := inner(x)
		if !ok {
			rs.add(WrongType, p, "a string is wanted")
			return
		}
		if !validCategory(string(s)) {
			rs.add(ValueNotAllowed, p, "names of attributes, never values: EmailAddress")
		}
	})
}

func checkLangMap(v []byte, path string, rs *reasons) {
	if len(v) == 0 || v[0] != '{' {
		rs.add(WrongType, path, `texts by language: {"de":"…"}`)
		return
	}
	n := 0
	for lang, x := range fields(v) {
		n++
		if !validLang(lang) {
			rs.add(OutOfRange, pointer(path, lang), "a language tag: de, de-AT")
			continue
		}
		checkValue(kLongText, nil, x, pointer(path, lang), rs)
	}
	if n == 0 {
		rs.add(OutOfRange, path, `texts by language: {"de":"…"}`)
	}
}

func checkDecisions(v []byte, path string, rs *reasons) {
	if len(v) == 0 || v[0] != '{' {
		rs.add(WrongType, path, `an answer for each purpose: {"newsletter":"yes"}`)
		return
	}
	n := 0
	for purpose, x := range fields(v) {
		n++
		if !validName(purpose) {
			rs.add(OutOfRange, pointer(path, purpose), "the purpose_id of a declared purpose")
			continue
		}
		if s := string(x); s != `"yes"` && s != `"no"` {
			rs.add(OutOfRange, pointer(path, purpose), `"yes" or "no"`)
		}
	}
	if n == 0 {
		rs.add(OutOfRange, path, `an answer for each purpose: {"newsletter":"yes"}`)
	}
}

func checkFullRef(v []byte, leaf bool, path string, rs *reasons) {
	parts := []part{{"id", true, kName}, {"version", true, kNumber}}
	if leaf {
		parts = []part{{"id", true, kName}, {"leaf", false, kID}, {"version", true, kNumber}}
	}
	checkObject(v, path, rs, parts)
}

// parseRetention reads both forms; hint says what is wrong.
func parseRetention(v []byte) (r Retention, hint string) {
	const want = `a period like "P2Y", or {"for":"P8Y","from":"year_end"}`
	period := v
	r.From = LastEvent
	if len(v) > 0 && v[0] == '{' {
		period = nil
		for name, x := range fields(v) {
			switch name {
			case "for":
				period = x
			case "from":
				s, _ := unquote(x)
				r.From = Anchor(s)
			default:
				return r, want
			}
		}
	}
	s, ok := unquote(period)
	if !ok {
		return r, want
	}
	switch r.From {
	case YearEnd, LastEvent, Withdrawal, ContractEnd:
	default:
		return r, "from is one of: year_end, last_event, withdrawal, contract_end"
	}
	p, err := ParsePeriod(s)
	if err != nil {
		return r, err.Error()
	}
	if p.Clock != 0 || p.IsZero() {
		return r, "keys are destroyed by the day: years, months, weeks or days"
	}
	if epoch := time.Unix(0, 0); p.After(epoch).After(maxPeriod.After(epoch)) {
		return r, "at most a hundred years"
	}
	r.For = p
	return r, ""
}

// canonicalRetention writes {"for":…,"from":…}.
func canonicalRetention(r Retention) []byte {
	return append(append(append(append([]byte(`{"for":"`), r.For.String()...), `","from":"`...), r.From...), `"}`...)
}

func validID(s string) bool {
	if s == "" || len(s) > 128+8 { // "/2" of a second event of one request, and so on
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return true
}

func validName(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}

// splitRef reads "privacy-de" and "privacy-de@3"; version 0 means the newest.
func splitRef(s string) (name string, version int, ok bool) {
	name, v, at := strings.Cut(s, "@")
	if at {
		if version, ok = intOf([]byte(v)); !ok || version == 0 || v[0] == '0' {
			return "", 0, false
		}
	}
	return name, version, validName(name)
}

func validCategory(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '_' || c == '-' || c == '.' || c == ':')) {
			return false
		}
	}
	return true
}

func validCountry(s string) bool {
	c, sub, has := strings.Cut(s, "-")
	if len(c) != 2 || c != strings.ToUpper(c) || !letters(c) {
		return false
	}
	return !has || len(sub) >= 1 && len(sub) <= 3 && letters(strings.Map(digitToLetter, sub))
}

func digitToLetter(r rune) rune {
	if '0' <= r && r <= '9' {
		return 'A'
	}
	return r
}

func validLang(s string) bool {
	if len(s) > 35 {
		return false
	}
	for i, p := range strings.Split(s, "-") {
		if len(p) < 1 || len(p) > 8 || i == 0 && (len(p) < 2 || !letters(p)) || !letters(strings.Map(digitToLetter, p)) {
			return false
		}
	}
	return true
}

func letters(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return s != ""
}

func validHex256(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
			return false
		}
	}
	return true
}

func validHash(s string) bool {
	h, ok := strings.CutPrefix(s, "sha256:")
	return ok && validHex256(h)
}

func validCohort(s string) bool {
	switch len(s) {
	case 0:
		return true
	case 4:
		_, err := time.Parse("2006", s)
		return err == nil
	case 7:
		_, err := time.Parse("2006-01", s)
		return err == nil
	}
	return false
}

func oneOf(s string, values []string) bool {
	for _, v := range values {
		if v == s {
			return true
		}
	}
	return false
}

// splitAge reads below_16 and at_least_16.
func splitAge(s string) (age int, below, ok bool) {
	n, below := strings.CutPrefix(s, "below_")
	if !below {
		if n, ok = strings.CutPrefix(s, "at_least_"); !ok {
			return 0, false, false
		}
	}
	age, ok = intOf([]byte(n))
	return age, below, ok && age > 0 && age < 130
}

// validSubject: the exact bytes of the controller's own identifier.
func validSubject(s string) bool {
	return len(s) <= 256 && s != "" && utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f }) < 0
}

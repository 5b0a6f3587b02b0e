package event

import (
	"strings"
)

// checkValue holds a canonical value against a kind and adds what is wrong. Lists
// and objects are left to another function, whose stack is several times as large.
func checkValue(k Kind, values []string, v []byte, path string, rs *reasons) {
	switch k {
	case kText, kLongText, kID, kName, kPurposeRef, kRef, kTime, kDuration, kContact, kCountry, kLang, kURL, kHex256, kHash, kEnum,
		cohortKind, subjectKind, tokenKind, ageKind:
		if s, ok := unquote(v); !ok {
			rs.add(WrongType, path, "a string is wanted")
		} else if hint := textFault(k, values, s); hint != "" {
			rs.add(OutOfRange, path, hint)
		}
	case kBool:
		if s := string(v); s != "true" && s != "false" {
			rs.add(WrongType, path, "true or false")
		}
	case kTrue:
		if string(v) != "true" {
			rs.add(WrongType, path, "true; leave it out where it is not so")
		}
	case kNull:
		if string(v) != "null" {
			rs.add(WrongType, path, "null")
		}
	case nullableID:
		if string(v) != "null" {
			checkValue(kID, nil, v, path, rs)
		}
	case kNumber:
		if _, ok := intOf(v); !ok {
			rs.add(WrongType, path, "a whole number from 0")
		}
	case sequenceKind:
		if _, ok := sequenceOf(v); !ok {
			rs.add(WrongType, path, "a whole number from 0 to 2^53-1")
		}
	case kFormArg, kNoticeArg:
		if len(v) > 0 && v[0] == '{' {
			checkFullRef(v, k == kFormArg, path, rs)
		} else {
			checkValue(kRef, nil, v, path, rs)
		}
	case kFormFull, kNoticeFull:
		checkFullRef(v, k == kFormFull, path, rs)
	default:
		checkMany(k, values, v, path, rs)
	}
}

// textFault says what is wrong with a string, "" if nothing is.
func textFault(k Kind, values []string, s string) (hint string) {
	good := true
	switch k {
	case kText, kLongText:
		limit := 4096
		if k == kLongText {
			limit = 32 << 10
		}
		if s == "" || len(s) > limit {
			return "a text that is not empty and not longer than " + string(intValue(limit)) + " bytes"
		}
	case kID:
		good, hint = validID(s), "1 to 128 bytes without control characters"
	case kName:
		good, hint = validName(s), "letters, digits and - _ . ; at most 64 of them"
	case kPurposeRef:
		good, hint = s == "*" || validName(s), `the purpose_id of a declared purpose, or "*"`
	case kRef:
		_, _, good = splitRef(s)
		hint = "a name, or a name with its version: privacy-de@3"
	case kTime:
		if _, err := ParseTime(s); err != nil {
			return err.Error()
		}
	case kDuration:
		p, err := ParsePeriod(s)
		if err != nil {
			return err.Error()
		}
		good, hint = !p.IsZero(), "a period longer than nothing"
	case kContact:
		if _, err := NormalContact(s); err != nil {
			return err.Error()
		}
	case kCountry:
		good, hint = validCountry(s), "a country code of ISO 3166: DE, AT"
	case kLang:
		good, hint = validLang(s), "a language tag: de, de-AT"
	case kURL:
		good = len(s) <= 2048 && (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")) && validID(s[:min(len(s), 128)])
		hint = "an address that starts with https://"
	case kHex256:
		good, hint = validHex256(s), "SHA-256 in 64 lower-case hex digits"
	case kHash:
		good, hint = validHash(s), `"sha256:" and 64 lower-case hex digits; the command line makes it from a file name`
	case kEnum:
		if !oneOf(s, values) {
			return "one of: " + strings.Join(values, ", ")
		}
	case cohortKind:
		good, hint = validCohort(s), `"", a year or a month`
	case subjectKind:
		good, hint = validSubject(s), "1 to 256 bytes without control characters"
	case tokenKind:
		good, hint = s != "" && len(s) <= 256, "the token as the link brought it"
	case ageKind:
		_, _, good = splitAge(s)
		hint = "below_16 or at_least_16, with the form's min_age"
	}
	if good {
		return ""
	}
	return hint
}

// checkMany is checkValue for lists and objects, and for what nobody may send.
func checkMany(k Kind, values []string, v []byte, path string, rs *reasons) {
	switch k {
	case kNameList:
		eachString(v, path, rs, func(s string) string { return textFault(kName, nil, s) })
	case kCategories:
		checkCategories(v, path, rs)
	case kRetentionAny, kRetentionFul:
		if _, hint := parseRetention(v); hint != "" {
			rs.add(OutOfRange, path, hint)
		}
	case kCountryList:
		eachString(v, path, rs, func(s string) string { return textFault(kCountry, nil, s) })
	case kLangMap:
		checkLangMap(v, path, rs)
	case kEvidence:
		eachString(v, path, rs, func(s string) string { return textFault(kHash, nil, s) })
	case kEnumList:
		eachString(v, path, rs, func(s string) string { return textFault(kEnum, values, s) })
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

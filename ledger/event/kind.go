package event

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
	case sequenceKind:
		return "whole number, at most 2^53-1"
	}
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown kind"
}

// Kinds that only this package uses.
const (
	keywordList Kind = 200 + iota
	cohortKind
	subjectKind
	tokenKind    // the text of a token
	ageKind      // below_16, at_least_16
	nullableID   // ID or null
	sequenceKind // a whole number from 0 to 2^53-1
)

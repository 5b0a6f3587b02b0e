package event

import "strings"

// Schema returns the short form of a type as JSON Schema (draft 2020-12), for
// editors and for `lacuna schema`; not ok for an unknown type. It says less than
// [Fill] checks: what depends on the register cannot be said there. Two
// annotations are ours: x-supplied-by names the source of a member in the full
// form, x-sealed is false for members that are dropped (a token).
func Schema(typ string) (schema []byte, ok bool) {
	t, ok := Lookup(typ)
	if !ok {
		return nil, false
	}
	props, required := newBuilder(len(t.Fields)), []string{}
	for _, f := range t.Fields {
		if f.Short == kNothing {
			continue
		}
		p := jsonSchema(f.Short, f.Values)
		if f.Name == "type" {
			p = newBuilder(4)
			p.setString("const", t.Name)
		}
		p.setString("description", f.Doc)
		p.setString("x-supplied-by", string(f.By))
		if f.Full == kNothing {
			p.set("x-sealed", []byte("false"))
		}
		props.set(f.Name, p.event().text)
		if f.Must {
			required = append(required, f.Name)
		}
	}
	b := newBuilder(7)
	b.setString("$schema", "https://json-schema.org/draft/2020-12/schema")
	b.setString("title", t.Name)
	b.setString("description", t.Doc)
	b.setString("type", "object")
	b.set("properties", props.event().text)
	b.set("required", stringList(required))
	open := []byte("false")
	if t.Open {
		open = []byte("true")
	}
	b.set("additionalProperties", open)
	return b.event().text, true
}

func stringList(list []string) []byte {
	out := []byte{'['}
	for i, s := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendQuoted(out, s)
	}
	return append(out, ']')
}

const namePattern = `^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`

// jsonSchema describes a kind.
func jsonSchema(k Kind, values []string) *builder {
	b := newBuilder(4)
	str := func(pattern string, most int) {
		b.setString("type", "string")
		if pattern != "" {
			b.setString("pattern", pattern)
		}
		if most > 0 {
			b.set("minLength", intValue(1))
			b.set("maxLength", intValue(most))
		}
	}
	list := func(item *builder) {
		b.setString("type", "array")
		b.set("minItems", intValue(1))
		b.set("items", item.event().text)
	}
	object := func(each *builder) {
		b.setString("type", "object")
		if each != nil {
			b.set("minProperties", intValue(1))
			b.set("additionalProperties", each.event().text)
		}
	}
	switch k {
	case kText:
		str("", 4096)
	case kLongText:
		str("", 32<<10)
	case kID:
		str("", 128)
	case subjectKind, tokenKind:
		str("", 256)
	case kFileName:
		str("", 4096)
	case kName:
		str(namePattern, 0)
	case kRef, kFormArg, kNoticeArg:
		str(strings.TrimSuffix(namePattern, "$")+"(@[1-9][0-9]*)?$", 0)
	case kPurposeRef:
		str(`^(\*|`+strings.Trim(namePattern, "^$")+")$", 0)
	case kNameList:
		list(jsonSchema(kName, nil))
	case kCategories:
		item := newBuilder(2)
		item.setString("type", "string")
		item.setString("pattern", `^[A-Za-z][A-Za-z0-9_.:-]{0,63}$`)
		list(item)
	case kBool:
		b.setString("type", "boolean")
	case kTrue:
		b.set("const", []byte("true"))
	case kNumber:
		b.setString("type", "integer")
		b.set("minimum", intValue(0))
		b.set("maximum", intValue(999999999))
	case sequenceKind:
		b.setString("type", "integer")
		b.set("minimum", intValue(0))
		b.set("maximum", []byte("9007199254740991"))
	case kTime:
		str("", 0)
		b.setString("format", "date-time")
	case kDuration:
		str("", 0)
		b.setString("format", "duration")
	case kRetentionAny:
		anchors := jsonSchema(kEnum, []string{string(YearEnd), string(LastEvent), string(Withdrawal), string(ContractEnd)})
		inner := newBuilder(2)
		inner.set("for", jsonSchema(kDuration, nil).event().text)
		inner.set("from", anchors.event().text)
		full := newBuilder(4)
		full.setString("type", "object")
		full.set("properties", inner.event().text)
		full.set("required", stringList([]string{"for"}))
		full.set("additionalProperties", []byte("false"))
		b.set("anyOf", append(append(append(append([]byte{'['}, jsonSchema(kDuration, nil).event().text...), ','), full.event().text...), ']'))
	case kContact:
		str(`^([Mm][Aa][Ii][Ll][Tt][Oo]|[Tt][Ee][Ll]|[Cc][Hh][Aa][Tt]):`, 327)
	case kCountry:
		str(`^[A-Z]{2}(-[A-Za-z0-9]{1,3})?$`, 0)
	case kCountryList:
		list(jsonSchema(kCountry, nil))
	case kLang:
		str(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`, 0)
	case kLangMap:
		object(jsonSchema(kLongText, nil))
	case kURL:
		str(`^https?://`, 2048)
	case kHex256:
		str(`^[0-9a-f]{64}$`, 0)
	case kHash:
		str(`^sha256:[0-9a-f]{64}$`, 0)
	case kEvidence:
		list(jsonSchema(kHash, nil))
	case kEnum:
		b.set("enum", stringList(values))
	case kEnumList:
		list(jsonSchema(kEnum, values))
	case ageKind:
		str(`^(below|at_least)_[1-9][0-9]{0,2}$`, 0)
	case kDecisions:
		object(jsonSchema(kEnum, []string{"yes", "no"}))
	default:
		object(nil)
	}
	return b
}

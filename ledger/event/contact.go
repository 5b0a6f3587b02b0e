package event

import (
	"errors"
	"strings"
)

// Contact points are URIs, because a consent holds for one of them and not for
// a person's mailboxes and phones at large (BGH I ZR 164/09).
var errContact = errors.New("a contact is written mailto:name@example.org, tel:+491234567 or chat:service:name")

// NormalContact writes a contact in the one form that is compared and sealed:
//
//	mailto:  the domain in lower case; the local part as it is, since it is the receiver's to fold
//	tel:     + and at most 15 digits, E.164; visual separators of RFC 3966 are dropped
//	chat:    service in lower case, a colon, and the name there as it is
//
// Errors say the form that is wanted and nothing of the contact.
func NormalContact(s string) (string, error) {
	if len(s) > 320+7 || strings.IndexFunc(s, func(r rune) bool { return r <= ' ' && r != ' ' || r == 0x7f }) >= 0 {
		return "", errContact
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok {
		return "", errContact
	}
	switch strings.ToLower(scheme) {
	case "mailto":
		at := strings.LastIndexByte(rest, '@')
		if at <= 0 || at == len(rest)-1 || strings.ContainsAny(rest, " ?,<>") {
			return "", errors.New("a mail contact is one address: mailto:name@example.org")
		}
		return "mailto:" + rest[:at] + "@" + strings.ToLower(rest[at+1:]), nil
	case "tel":
		digits := make([]byte, 0, 16)
		for i := 0; i < len(rest); i++ {
			switch c := rest[i]; {
			case '0' <= c && c <= '9':
				digits = append(digits, c)
			case c == '+' && i == 0:
			case c == '-' || c == '.' || c == '(' || c == ')' || c == ' ' || c == '/':
			default:
				return "", errors.New("a phone contact is in international form: tel:+491234567")
			}
		}
		if !strings.HasPrefix(rest, "+") || len(digits) < 3 || len(digits) > 15 || digits[0] == '0' {
			return "", errors.New("a phone contact is in international form: tel:+491234567")
		}
		return "tel:+" + string(digits), nil
	case "chat":
		service, name, ok := strings.Cut(rest, ":")
		if !ok || !validName(service) || name == "" || strings.Contains(name, " ") {
			return "", errors.New("a chat contact names the service and the account: chat:whatsapp:name")
		}
		return "chat:" + strings.ToLower(service) + ":" + name, nil
	}
	return "", errContact
}

// channels that a form, an event and a question may name.
var channels = []string{"business_card", "chat", "email", "paper", "phone", "wallet", "web"}

// offline channels: what comes through them was written down by somebody else
// than the person, so it waits for an acknowledged notice.
var offline = []string{"business_card", "paper", "phone"}

// Offline says whether data that was collected through a channel may be used
// only after the person has acknowledged a notice.
func Offline(channel string) bool { return oneOf(channel, offline) }

// needsContact says which contact a channel reaches: "mailto:", "tel:" and so on;
// empty where it needs none.
func needsContact(channel string) []string {
	switch channel {
	case "email":
		return []string{"mailto:"}
	case "phone":
		return []string{"tel:"}
	case "chat":
		return []string{"tel:", "chat:"}
	}
	return nil
}

func contactFits(channel, contact string) bool {
	want := needsContact(channel)
	if want == nil {
		return true
	}
	for _, w := range want {
		if strings.HasPrefix(contact, w) {
			return true
		}
	}
	return false
}

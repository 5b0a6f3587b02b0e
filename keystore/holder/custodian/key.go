package custodian

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"time"
)

var b64 = base64.RawURLEncoding.Strict()

// An Address is where a custodian is reached and by which key it is known.
type Address struct {
	Host string            // host:port
	Key  ed25519.PublicKey // of the custodian
}

// An Invitation lets one ledger enrol at a custodian, once. It is a secret until then.
type Invitation struct {
	Custodian Address
	Secret    [16]byte
}

const invitationTag = "lacuna-custodian"

// String is the form in which an invitation is copied from one terminal to the other:
//
//	lacuna-custodian/HOST:PORT/BASE64URL(key32 || secret16)
func (i *Invitation) String() string {
	return strings.Join([]string{invitationTag, i.Custodian.Host, b64.EncodeToString(append(append([]byte(nil), i.Custodian.Key...), i.Secret[:]...))}, "/")
}

// ParseInvitation reads an invitation.
func ParseInvitation(text string) (*Invitation, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 || parts[0] != invitationTag {
		return nil, errors.New("not an invitation: it begins with " + invitationTag + "/ and has three parts")
	}
	if err := checkHost(parts[1]); err != nil {
		return nil, fmt.Errorf("an invitation: %w", err)
	}
	b, err := b64.DecodeString(parts[2])
	if err != nil || len(b) != 48 || strings.ContainsAny(parts[2], "\r\n") {
		return nil, errors.New("an invitation: its last part is not whole")
	}
	i := &Invitation{Custodian: Address{parts[1], b[:32]}}
	copy(i.Secret[:], b[32:])
	return i, nil
}

func checkHost(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" || port == "" || port == "0" || strings.ContainsAny(addr, "/ \t\r\n") || printable([]byte(addr)) != addr {
		return errors.New("an address is HOST:PORT")
	}
	return nil
}

// KeyText is a public key as configurations and people have it.
func KeyText(k ed25519.PublicKey) string { return b64.EncodeToString(k) }

// ParseKey reads a public key.
func ParseKey(text string) (ed25519.PublicKey, error) {
	b, err := b64.DecodeString(text)
	if err != nil || len(b) != ed25519.PublicKeySize || strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("a key of a custodian is 32 bytes as base64url")
	}
	return b, nil
}

// certificate wraps a key for TLS. Nobody looks at anything in it but the key.
func certificate(key ed25519.PrivateKey) (tls.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// peerKey returns the key that the other side has shown to have.
func peerKey(s *tls.ConnectionState) (ed25519.PublicKey, error) {
	if s.NegotiatedProtocol != protocol || s.DidResume || len(s.PeerCertificates) == 0 {
		return nil, errors.New("the other side does not speak " + protocol)
	}
	k, ok := s.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("the other side has no Ed25519 key")
	}
	return k, nil
}

// tlsConfig is the same for both sides. Certificates are not verified, because there
// is nobody who could vouch for them: each side compares the key.
func tlsConfig(key ed25519.PrivateKey, check func(ed25519.PublicKey) error) (*tls.Config, error) {
	cert, err := certificate(key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, NextProtos: []string{protocol},
		CurvePreferences:       []tls.CurveID{tls.X25519MLKEM768},
		ClientAuth:             tls.RequireAnyClientCert,
		SessionTicketsDisabled: true,
		InsecureSkipVerify:     true,
		VerifyConnection: func(s tls.ConnectionState) error {
			k, err := peerKey(&s)
			if err != nil {
				return err
			}
			return check(k)
		},
	}, nil
}

// thisMachine names the machine that runs, until it is started anew: two programs that
// give the same name do not keep shares from each other's administrator.
func thisMachine() (m [16]byte) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err == nil {
		sum := sha256.Sum256(append([]byte("lacuna/v1/machine"), id...))
		copy(m[:], sum[:])
	}
	return m
}

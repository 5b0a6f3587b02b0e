package witness_test

import (
	"bytes"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/witness"
)

// From every size to every other.
func TestServerFollows(t *testing.T) {
	const most = 13
	for old := range most + 1 {
		for size := old; size <= most; size++ {
			log := newTree(t, origin, most)
			s, err := witness.NewServerOn(options(t, log), newDisk())
			if err != nil {
				t.Fatal(err)
			}
			s.SetClock(at(1000))
			if old > 0 {
				if code, answer := post(s, log.add(0, old)); code != http.StatusOK {
					t.Fatalf("0 to %d: status %d, %s", old, code, answer)
				}
			}
			s.SetClock(at(1001))
			code, answer := post(s, log.add(old, size))
			if code != http.StatusOK {
				t.Fatalf("%d to %d: status %d, %s", old, size, code, answer)
			}
			checkCosigned(t, log.signed(size), answer, log.head(size), 1001)
			shown := latest(t, s)
			if want := string(log.signed(size)) + answer; string(shown) != want {
				t.Fatalf("%d to %d: monitors get %q, want %q", old, size, shown, want)
			}
		}
	}
}

// Every status code of the specification, and that nothing but 200 changes what
// the witness remembers.
func TestServerStatus(t *testing.T) {
	log := newTree(t, origin, 40)
	fork := log.fork(10)
	stranger := newTree(t, "log.example/stranger", 40)
	s := newServer(t, log)
	s.SetClock(at(1000))
	if code, _ := post(s, log.add(0, 20)); code != http.StatusOK {
		t.Fatal(code)
	}
	shown := latest(t, s)

	thief, _, err := merkle.GenerateKey(seedReader(99), origin)
	if err != nil {
		t.Fatal(err)
	}
	thiefSigner, err := merkle.NewSigner(thief)
	if err != nil {
		t.Fatal(err)
	}
	otherKey, err := merkle.SignCheckpoint(log.head(30), thiefSigner)
	if err != nil {
		t.Fatal(err)
	}
	body := func(old int, proof []merkle.Hash, signed []byte) []byte {
		return witness.AddRequest(witness.NewAdd(uint64(old), proof, signed))
	}
	swap := func(old, new string) []byte {
		b := log.add(20, 30)
		if !bytes.Contains(b, []byte(old)) {
			t.Fatalf("no %q in the request", old)
		}
		return bytes.Replace(b, []byte(old), []byte(new), 1)
	}
	wrongSignature := damaged(log.add(20, 30))
	for _, c := range []struct {
		name   string
		body   []byte
		status int
		answer string // if not empty, all of it
	}{
		{"old size larger than the checkpoint", body(21, nil, log.signed(20)), 400, ""},
		{"old size larger than both", body(50, nil, log.signed(30)), 400, ""},
		{"nothing", nil, 400, ""},
		{"no empty line", []byte("old 20\n"), 400, ""},
		{"no checkpoint", []byte("old 20\n\n"), 400, ""},
		{"leading zero", swap("old 20", "old 020"), 400, ""},
		{"sign", swap("old 20", "old +20"), 400, ""},
		{"no number", swap("old 20", "old "), 400, ""},
		{"two spaces", swap("old 20", "old  20"), 400, ""},
		{"number too large", swap("old 20", "old 9223372036854775808"), 400, ""},
		{"no old", swap("old 20", "new 20"), 400, ""},
		{"carriage return", swap("old 20\n", "old 20\r\n"), 400, ""},
		{"hash that is not base64", swap(log.proof(20, 30)[0].String(), "not base64"), 400, ""},
		{"hash that is too short", swap(log.proof(20, 30)[0].String(), "AAAA"), 400, ""},
		{"64 proof lines", body(20, make([]merkle.Hash, 64), log.signed(30)), 400, ""},
		{"checkpoint size with a leading zero", swap("\n30\n", "\n030\n"), 400, ""},
		{"checkpoint without signatures", body(20, nil, []byte(log.head(30).Text()+"\n")), 400, ""},
		{"checkpoint whose last line is cut", bytes.TrimSuffix(log.add(20, 30), []byte("\n")), 400, ""},

		{"unknown log", stranger.add(0, 20), 404, ""},
		{"unknown log, signed by a known key", body(20, nil, log.sign(merkle.Checkpoint{Origin: "log.example/x", Size: 30, Root: log.head(30).Root})), 404, ""},
		{"signed by another key of that name", body(20, log.proof(20, 30), otherKey), 403, ""},
		{"signed by a stranger", body(20, log.proof(20, 30), []byte(log.head(30).Text()+"\n"+string(signatures(t, stranger.signed(30))))), 403, ""},
		{"wrong signature", wrongSignature, 403, ""},
		{"wrong signature beside one that nobody knows", append(bytes.Clone(wrongSignature), signatures(t, stranger.signed(1))...), 403, ""},
		{"text that is not what was signed", swap("\n30\n", "\n31\n"), 403, ""},

		{"old size too small", log.add(10, 30), 409, "20\n"},
		{"old size too large", log.add(25, 30), 409, "20\n"},
		{"old size 0", log.add(0, 30), 409, "20\n"},
		{"back to a smaller size", log.add(10, 15), 409, "20\n"},
		{"back to the beginning", body(0, nil, log.signed(0)), 409, "20\n"},
		{"old size of a fork", fork.add(15, 30), 409, "20\n"},

		{"a fork of the same size", body(20, nil, fork.signed(20)), 422, ""},
		{"a fork, with a proof of its own", fork.add(20, 30), 422, ""},
		{"a fork, with the proof of the log", body(20, log.proof(20, 30), fork.signed(30)), 422, ""},
		{"no proof", body(20, nil, log.signed(30)), 422, ""},
		{"proof from elsewhere", body(20, log.proof(21, 30), log.signed(30)), 422, ""},
		{"proof that is too long", body(20, append(log.proof(20, 30), merkle.Hash{}), log.signed(30)), 422, ""},
		{"proof for the same size", body(20, make([]merkle.Hash, 1), log.signed(20)), 422, ""},
		{"empty log with another root", body(0, nil, []byte(strings.Replace(string(log.signed(0)), merkle.EmptyRoot().String(), log.head(1).Root.String(), 1))), 403, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, answer, head := do(s, http.MethodPost, "/add-checkpoint", c.body)
			if code != c.status || c.answer != "" && answer != c.answer {
				t.Errorf("status %d, want %d, answer %q", code, c.status, answer)
			}
			want := "text/plain; charset=utf-8"
			if c.status == http.StatusConflict {
				want = "text/x.tlog.size"
			}
			if got := head.Get("Content-Type"); got != want {
				t.Errorf("content type %q", got)
			}
			if !bytes.Equal(latest(t, s), shown) {
				t.Error("the witness remembers something else now")
			}
		})
	}
	// The request that most of the above are damages of.
	if code, answer := post(s, log.add(20, 30)); code != http.StatusOK {
		t.Errorf("a good request: status %d, %s", code, answer)
	}
}

// damaged returns a note, or a request, whose last signature is wrong.
func damaged(b []byte) []byte {
	b = bytes.Clone(b)
	letter := &b[len(b)-20]
	if *letter == 'A' {
		*letter = 'B'
	} else {
		*letter = 'A'
	}
	return b
}

// signatures returns the signature lines of a note.
func signatures(t *testing.T, signed []byte) []byte {
	t.Helper()
	lines, err := merkle.SignatureLines(signed)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// Before the first checkpoint everything begins at 0.
func TestServerFirst(t *testing.T) {
	log := newTree(t, origin, 9)
	for _, c := range []struct {
		name   string
		body   []byte
		status int
	}{
		{"old size 1", log.add(1, 9), 409},
		{"proof from 0", witness.AddRequest(witness.NewAdd(0, make([]merkle.Hash, 1), log.signed(9))), 422},
		{"proof of an empty log", witness.AddRequest(witness.NewAdd(0, make([]merkle.Hash, 1), log.signed(0))), 422},
	} {
		s := newServer(t, log)
		if code, answer := post(s, c.body); code != c.status {
			t.Errorf("%s: status %d, want %d, %s", c.name, code, c.status, answer)
		}
		if latest(t, s) != nil {
			t.Errorf("%s: the witness remembers something", c.name)
		}
	}
	// A key of the log says that the empty log has another root. Our signers
	// refuse to, so it is signed by hand.
	s := newServer(t, log)
	text := merkle.Checkpoint{Origin: origin, Root: log.head(1).Root}.Text()
	if code, answer := post(s, witness.AddRequest(witness.NewAdd(0, nil, handSigned(t, log, text)))); code != http.StatusUnprocessableEntity {
		t.Errorf("an empty log with a root: status %d, %s", code, answer)
	}
}

// A log may have several keys, and any of them will do; signatures that are not
// verified are not shown to monitors.
func TestServerKeysOfLog(t *testing.T) {
	log := newTree(t, origin, 9)
	second := cosigner(t, origin, 50, merkle.CosignatureMLDSA44)
	stranger := newTree(t, "log.example/stranger", 9)
	o := options(t, log)
	o.Logs = append(o.Logs, second.Verifier())
	o.Dir = filepath.Join(t.TempDir(), "logs")
	if err := witness.Create(o.Dir); err != nil {
		t.Fatal(err)
	}
	s, err := witness.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.SetClock(at(1000))

	both, err := merkle.SignCheckpoint(log.head(3), log.signer, second.At(7))
	if err != nil {
		t.Fatal(err)
	}
	more := append(bytes.Clone(both), signatures(t, stranger.signed(3))...)
	code, answer := post(s, witness.AddRequest(witness.NewAdd(0, nil, more)))
	if code != http.StatusOK {
		t.Fatalf("status %d, %s", code, answer)
	}
	if got := latest(t, s); string(got) != string(both)+answer {
		t.Errorf("monitors get %q", got)
	}
	only, err := merkle.SignCheckpoint(log.head(4), second.At(7))
	if err != nil {
		t.Fatal(err)
	}
	if code, answer := post(s, witness.AddRequest(witness.NewAdd(3, log.proof(3, 4), only))); code != http.StatusOK {
		t.Errorf("signed by the second key: status %d, %s", code, answer)
	}
	wrong, err := merkle.SignCheckpoint(log.head(5), log.signer, second.At(7))
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := post(s, witness.AddRequest(witness.NewAdd(4, log.proof(4, 5), damaged(wrong)))); code != http.StatusForbidden {
		t.Errorf("one of two signatures is wrong: status %d", code)
	}
}

// Extension lines are cosigned by keys that cover them, and by no others.
func TestServerExtensions(t *testing.T) {
	log := newTree(t, origin, 9)
	c := log.head(3)
	c.Extensions = []string{"more"}
	body := witness.AddRequest(witness.NewAdd(0, nil, log.sign(c)))
	s := newServer(t, log)
	code, answer := post(s, body)
	if code != http.StatusOK || strings.Count(answer, "\n") != 1 {
		t.Errorf("status %d, %q", code, answer)
	}
	o := options(t, log)
	o.Cosigners = o.Cosigners[1:]
	o.Dir = filepath.Join(t.TempDir(), "logs")
	if err := witness.Create(o.Dir); err != nil {
		t.Fatal(err)
	}
	s, err := witness.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if code, _ := post(s, body); code != http.StatusUnprocessableEntity {
		t.Errorf("ML-DSA-44 alone: status %d", code)
	}
}

// Asked again for the same size the witness says that it is still the largest.
// Its clock does not go back.
func TestServerTime(t *testing.T) {
	log := newTree(t, origin, 9)
	s := newServer(t, log)
	old := 0
	for _, c := range []struct {
		now    int64
		status int
		time   uint64
	}{
		{1000, 200, 1000}, {1000, 200, 1000}, {5000, 200, 5000}, {4999, 200, 5000}, {4940, 200, 5000},
		{4939, 500, 0}, {0, 500, 0}, {-1, 500, 0}, {5001, 200, 5001},
	} {
		s.SetClock(at(c.now))
		code, answer := post(s, log.add(old, 9))
		if code != c.status {
			t.Fatalf("at %d: status %d, %s", c.now, code, answer)
		}
		if code == http.StatusOK {
			checkCosigned(t, log.signed(9), answer, log.head(9), c.time)
			old = 9
		}
	}
}

func TestServerMonitor(t *testing.T) {
	log := newTree(t, origin, 9)
	s := newServer(t, log)
	path := "/" + witness.FileName(origin) + "/checkpoint"
	if code, _, _ := do(s, http.MethodGet, path, nil); code != http.StatusNotFound {
		t.Errorf("before the first: status %d", code)
	}
	_, answer := post(s, log.add(0, 5))
	code, got, head := do(s, http.MethodGet, path, nil)
	if code != http.StatusOK || got != string(log.signed(5))+answer || head.Get("Content-Type") != "text/plain; charset=utf-8" || head.Get("Cache-Control") != "no-store" {
		t.Errorf("status %d, %v, %q", code, head, got)
	}
	if code, got, _ := do(s, http.MethodHead, path, nil); code != http.StatusOK || got == "" {
		t.Errorf("HEAD: status %d", code) // the network leaves the body out, a recorder does not
	}
	for path, want := range map[string]int{
		"/": 404, "/checkpoint": 404, "/" + strings.ToUpper(witness.FileName(origin)) + "/checkpoint": 404,
		"/" + witness.FileName("log.example/stranger") + "/checkpoint": 404, path + "/": 404, "/x" + path: 404,
	} {
		if code, _, _ := do(s, http.MethodGet, path, nil); code != want {
			t.Errorf("%s: status %d", path, code)
		}
	}
	for _, c := range []struct{ method, path, allow string }{
		{http.MethodPost, path, "GET, HEAD"}, {http.MethodGet, "/add-checkpoint", "POST"}, {http.MethodGet, "/sign-subtree", "POST"}, {http.MethodPut, "/add-checkpoint", "POST"},
	} {
		if code, _, head := do(s, c.method, c.path, nil); code != http.StatusMethodNotAllowed || head.Get("Allow") != c.allow {
			t.Errorf("%s %s: status %d, allow %q", c.method, c.path, code, head.Get("Allow"))
		}
	}
}

// textOf returns the text of a signed note.
func textOf(t *testing.T, signed []byte) []byte {
	t.Helper()
	i := bytes.LastIndex(signed, []byte("\n\n"))
	if i < 0 {
		t.Fatalf("no note: %q", signed)
	}
	return signed[:i+1]
}

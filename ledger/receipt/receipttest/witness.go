package receipttest

import (
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/lacunalog/lacuna/merkle"
)

// A Witness countersigns heads, at whatever time it is told.
type Witness struct {
	*merkle.Cosigner
}

// NewWitness returns a witness with a fresh key.
func NewWitness(name string, a merkle.Algorithm) Witness {
	skey, _, err := merkle.GenerateCosigner(rand.Reader, name, a)
	check(err)
	c, err := merkle.NewCosigner(skey)
	check(err)
	return Witness{c}
}

// Policy returns a policy that believes the logs and asks for need of the witnesses.
func Policy(logs []*Log, need int, witnesses ...Witness) []byte {
	var b strings.Builder
	for _, l := range logs {
		fmt.Fprintf(&b, "log %s\n", l.VKey)
	}
	names := ""
	for i, w := range witnesses {
		fmt.Fprintf(&b, "witness w%d %s\n", i, w.VKey())
		names += fmt.Sprintf(" w%d", i)
	}
	if need == 0 {
		b.WriteString("quorum none\n")
	} else {
		fmt.Fprintf(&b, "group g %d%s\nquorum g\n", need, names)
	}
	return []byte(b.String())
}

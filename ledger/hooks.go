package ledger

import (
	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/merkle/log"
)

// hooks are the seams of tests: they put a disk that can lose its power under the
// log and a root that can be copied under the key tree, and they see every step.
// What is nil changes nothing.
type hooks struct {
	log     func(*log.Options)
	holders func() ([]keystore.Holder, error) // instead of the files of the root
	tree    func(*keystore.Options)
	erasure func(*erasure.Options)
}

func (h hooks) logOptions(o *log.Options) {
	if h.log != nil {
		h.log(o)
	}
}

func (h hooks) treeOptions(o *keystore.Options) {
	if h.tree != nil {
		h.tree(o)
	}
}

func (h hooks) erasureOptions(o *erasure.Options) {
	if h.erasure != nil {
		h.erasure(o)
	}
}

func (h hooks) createHolders(roots []string, pass holder.Passphrase) ([]keystore.Holder, error) {
	if h.holders != nil {
		return h.holders()
	}
	return createHolders(roots, pass)
}

func (h hooks) openHolders(roots []string, pass holder.Passphrase, warn func(string)) ([]keystore.Holder, error) {
	if h.holders != nil {
		return h.holders()
	}
	return openHolders(roots, pass, warn)
}

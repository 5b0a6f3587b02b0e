package holder

import (
	"slices"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/internal/block"
)

// CheapPassphrases makes guessing at new files cheap, for tests that open many.
func CheapPassphrases() (restore func()) {
	before := recommended
	recommended = cost{passes: 1, memory: minPerLane, lanes: 1}
	return func() { recommended = before }
}

// Room returns what a holder has in the room where it reads and writes its blocks.
func (f *File) Room() []byte {
	r := &f.room
	all := slices.Concat(r.raw[:], r.b[:], r.back[:])
	for i := range r.held {
		all = append(append(all, r.held[i].raw[:]...), r.held[i].share.Secret[:]...)
	}
	return all
}

// Mirror makes one holder of several files.
func Mirror(copies ...*File) (*Mirrored, error) {
	var all []replica
	for _, f := range copies {
		all = append(all, f)
	}
	return mirror(all)
}

// CreateDevices and OpenDevices are CreateFiles and OpenFiles on devices.
func (p Passphrase) CreateDevices(devs ...block.Device) (keystore.Holder, error) {
	var by *sealing
	if p != nil {
		var err error
		if by, err = p.ring().fresh(); err != nil {
			return nil, err
		}
	}
	return devices(devs, func(d block.Device) (*File, error) { return onDevice(d, "device", "file", true, by, nil) })
}

func (p Passphrase) OpenDevices(devs ...block.Device) (keystore.Holder, error) {
	keys := p.ring()
	return devices(devs, func(d block.Device) (*File, error) { return onDevice(d, "device", "file", false, nil, keys) })
}

func devices(devs []block.Device, open func(block.Device) (*File, error)) (keystore.Holder, error) {
	var all []replica
	for _, d := range devs {
		f, err := open(d)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return join(all)
}

// Slots counts the slots of a block device that a passphrase opens; nil for those that
// anybody reads.
func (p Passphrase) Slots(blocks [][]byte) (n int) {
	keys := p.ring()
	for _, b := range blocks {
		var s slot
		l, err := s.parseSealed(b)
		if (err == nil) != (p != nil) {
			continue
		}
		if p == nil {
			err = s.parse(b)
		} else if by, kerr := keys.sealing(l); kerr == nil {
			err = s.openSealed(b, by)
		}
		if err == nil {
			n++
		}
	}
	return n
}

// Package holder has the places where the root of a key tree lives: a file that
// is overwritten in place, a token ([pkcs11], in builds with that tag), several of these
// that keep the same share, and memory for tests.
//
// A holder has two slots of 4 KiB. One has the live share; the other gets the
// share of the next epoch, and is overwritten with random bytes when that epoch
// is live, or when it came to nothing. The live slot is never written.
//
//	"LCNH0001" || holder16 || tree16 || u64 epoch || attempt16 || share32 || SHA-256 of all before || 0x00…
//
// A file must not be on a copy-on-write file system, must not be renamed, copied
// or restored, and must not be in any backup: a copy of the file is a copy of a
// root, and whoever has it together with old key pages reads what was erased
// since. What a file system does with overwritten blocks is found out when the
// file is opened, see [keystore.Level]; what lies below it, such as snapshots of a
// volume or the spare blocks of flash, cannot be seen from here.
package holder

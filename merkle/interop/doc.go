// Package interop has tests only. Programs that other people wrote read logs
// that merkle and merkle/log have made: they must accept a good log and refuse a
// damaged one. It is a module of its own, so that what they need is not needed
// by the product.
//
//   - Tessera's fsck, as a program: checkpoint, every bundle, every tile, root
//   - Tessera's hammer, as a program: loads a log, and checks that it only grows
//   - golang.org/x/mod/sumdb: the client code of the Go checksum database
//   - torchwood: tile client, cosignatures, policies and proof files
//   - transparency-dev/formats: cosignatures with Ed25519 and ML-DSA-44, policies
//   - litewitness and omniwitness, as programs: witnesses, which our client asks;
//     and Tessera and the client of omniwitness, which ask ours
//   - Tessera, as a library: writes a log, which our auditor and our mirror read
//
// Each is shown the same logs: as a folder that merkle alone has written, as a
// folder exported by merkle/log, and over HTTP by its handler.
//
// What cannot be had is skipped, unless LACUNA_TEST_REQUIRE is "all".
package interop

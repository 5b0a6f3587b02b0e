// Package bench measures a ledger: how fast it appends, how long an erasure
// takes until nobody can read any more, how long a proof takes, and how many
// bytes stay on the disk. The workloads are a library, so that Go benchmarks
// (bench_test.go), the command "lacuna bench" and the comparison with other
// people's logs (bench/peers, a module of its own) run the same code.
//
// Three paths are measured side by side, so that one sees where the time goes:
//
//	whole   the product: ledger.Record on a folder with a file root; parse, fill, fold, seal, queue, sync
//	bare    sealing and queueing alone: keys, leaf and the same rows, but no parsing, no register, no state
//	log     merkle/log alone: a leaf and nothing else; what other people's logs do
//
// Nothing here turns a sync off. An event counts when it is durable, integrated
// in the tree and covered by a signed checkpoint.
//
// A closed loop of callers is what services do: each sends its next event when
// the last is answered. A window is what an importer does: hand over so many, then
// wait for all; the whole path does it by the batch call, ledger.RecordAll.
//
// # Reading the figures
//
// Every run prints the machine and how busy it was, because a ratio of two runs
// that took turns on one machine says more than either figure. "cpu-µs/event" is
// user and system time of the whole process over events: it hardly moves when
// others use the machine too, and its inverse times the number of cores is the
// most that the machine can do. Latencies are those of single calls: of a window,
// from the first Submit to the end of the last Wait.
package bench

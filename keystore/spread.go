package keystore

import (
	"runtime"
	"sync"
)

// spreadLeast is for how many pages it is worth it to ask another processor for help,
// where nobody waits for anything else.
const spreadLeast = 16

// spread calls f with every number below n, on another processor for every so many, and
// returns an error of the first numbers for which there was one. Each processor has its
// own part of them, from one end to the other: pages that are read one after the other
// lie beside each other, and pages that are read at the same time under different ones,
// whose locks nobody has to wait for.
func spread(n, least int, f func(i int) error) error {
	workers := max(1, min(runtime.GOMAXPROCS(0), n/least))
	errs := make([]error, workers)
	part := func(w int) {
		for i := w * n / workers; i < (w+1)*n/workers; i++ {
			if errs[w] = f(i); errs[w] != nil {
				return
			}
		}
	}
	var wg sync.WaitGroup
	for w := range workers - 1 {
		wg.Go(func() { part(w + 1) })
	}
	part(0)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

package keytest

import (
	"slices"
	"sort"
)

// sorted is a set of strings in order, in chunks that are cheap to insert into.
type sorted struct{ chunks [][]string }

const chunkLen = 512

// at returns where a key is, or would be.
func (s *sorted) at(key string) (chunk, i int) {
	chunk = sort.Search(len(s.chunks), func(c int) bool {
		last := s.chunks[c]
		return last[len(last)-1] >= key
	})
	if chunk == len(s.chunks) {
		return chunk, 0
	}
	return chunk, sort.SearchStrings(s.chunks[chunk], key)
}

// from returns the first key that is not below one.
func (s *sorted) from(key string) (string, bool) {
	c, i := s.at(key)
	if c == len(s.chunks) {
		return "", false
	}
	return s.chunks[c][i], true
}

// insert adds a key that is not there.
func (s *sorted) insert(key string) {
	c, i := s.at(key)
	if c == len(s.chunks) {
		if c == 0 {
			s.chunks = append(s.chunks, []string{key})
			return
		}
		c--
		i = len(s.chunks[c])
	}
	s.chunks[c] = slices.Insert(s.chunks[c], i, key)
	if n := len(s.chunks[c]); n > chunkLen {
		s.chunks = slices.Insert(s.chunks, c+1, slices.Clone(s.chunks[c][n/2:]))
		s.chunks[c] = s.chunks[c][:n/2]
	}
}

// remove takes out a key that is there.
func (s *sorted) remove(key string) {
	c, i := s.at(key)
	if s.chunks[c] = slices.Delete(s.chunks[c], i, i+1); len(s.chunks[c]) == 0 {
		s.chunks = slices.Delete(s.chunks, c, c+1)
	}
}

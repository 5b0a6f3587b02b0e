package event

import (
	"fmt"
	"slices"
	"strings"
)

// suggest returns the known name that was probably meant, or "". It is for
// hints: a wrong guess costs a reader a second, so it only guesses when close.
func suggest(got string, known []string) string {
	if got == "" || len(got) > 128 {
		return ""
	}
	low := strings.ToLower(got)
	best, bestDist := "", len(got)/3+1
	for _, k := range known {
		kl := strings.ToLower(k)
		if kl == low {
			return k
		}
		d := distance(low, kl, bestDist)
		// purpose_id for purpose, doi_token for doi_token_sha256.
		if d >= bestDist && len(low) >= 4 && (strings.HasPrefix(kl, low) || strings.HasPrefix(low, kl) && len(kl) >= 4) {
			d = bestDist - 1
		}
		if d < bestDist {
			best, bestDist = k, d
		}
	}
	return best
}

// didYouMean is the hint for an unknown name: the closest known one, else a few of them.
func didYouMean(got string, known []string, none string) string {
	if s := suggest(got, known); s != "" {
		return fmt.Sprintf("did you mean %q?", s)
	}
	if len(known) == 0 {
		return none
	}
	known = slices.Clone(known)
	slices.Sort(known)
	if len(known) > 12 {
		return fmt.Sprintf("known: %s and %d more", strings.Join(known[:12], ", "), len(known)-12)
	}
	return "known: " + strings.Join(known, ", ")
}

// distance is the optimal string alignment distance (edits and swaps of
// neighbours), or limit if it is at least that.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return min(prev[len(b)], limit)
}

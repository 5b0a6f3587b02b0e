package witness

import (
	"net/http"

	"github.com/lacunalog/lacuna/merkle"
)

// signSubtree answers POST /sign-subtree.
func (s *Server) signSubtree(body []byte) answer {
	r, err := parseSubtree(body)
	if err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	if c, err := merkle.ParseCheckpoint(string(r.checkpoint)); err == nil && s.logs[c.Origin] != nil {
		return refuse(http.StatusForbidden, "the checkpoint must carry a cosignature of this witness")
	}
	_, _, c, refused := s.open(r.checkpoint)
	if refused != nil {
		return *refused
	}
	// Whatever this witness has cosigned is a past of what it remembers, so
	// there is nothing to look up.
	_, cosigned, err := merkle.Cosignatures(r.checkpoint, s.verifiers...)
	if err != nil || len(cosigned) == 0 {
		return refuse(http.StatusForbidden, "the checkpoint does not carry a cosignature of this witness")
	}
	if err := merkle.CheckSubtree(r.start, r.end, c.Size); err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	if err := merkle.VerifySubtree(r.start, r.end, c.Size, r.proof, r.root, c.Root); err != nil {
		return refuse(http.StatusUnprocessableEntity, "%v", err)
	}
	var lines []byte
	for _, k := range s.subtrees {
		line, err := k.SignSubtree(c.Origin, r.start, r.end, r.root)
		if err != nil {
			s.log.Error("signing a subtree failed", "origin", c.Origin, "err", err)
			return refuse(http.StatusInternalServerError, "internal error")
		}
		lines = append(lines, line...)
	}
	return answer{status: http.StatusOK, body: string(lines)}
}

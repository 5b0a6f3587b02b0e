package erasure

import "github.com/lacunalog/lacuna/erasure/certificate"

// What an erasure leaves on paper is in package certificate, which needs neither
// keys nor storage, so that a stranger can verify it. These are its types, as the
// engine takes and returns them.
type (
	Certificate = certificate.Certificate
	Terms       = certificate.Terms
	RecordRef   = certificate.RecordRef
	Part        = certificate.Part
	Stay        = certificate.Stay
	Recipient   = certificate.Recipient
	Opening     = certificate.Opening
	SumNode     = certificate.SumNode
	Record      = certificate.Record
	Statement   = certificate.Statement
	Subjects    = certificate.Subjects
	Reason      = certificate.Reason
	Digest      = certificate.Digest
	ID          = certificate.ID
)

// Why keys are destroyed.
const (
	ReasonRequest   = certificate.ReasonRequest
	ReasonRetention = certificate.ReasonRetention
	ReasonClosure   = certificate.ReasonClosure
)

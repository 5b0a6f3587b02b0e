package receipt_test

import (
	"fmt"

	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/ledger/receipt/receipttest"
)

func Example() {
	log := receipttest.NewLog("log.example") // in place of a real one
	index := log.Append(`{"purpose":"newsletter","subject":"c-2","type":"consent.given"}`)
	file := log.Receipt(index, func(name string) bool { return name != "subject" })

	report, err := receipt.Verify(file, log.VKey)
	fmt.Print(report.Text(), err)
	// Output:
	// ok     consent.given
	//        purpose: "newsletter"
	//        type: "consent.given"
	// note   1 member is held back: subject
	// ok     entry 0 of 1 under the head signed by log.example
	// ok     golang.org/x/mod/sumdb/tlog agrees (not our code)
	// note   nobody but the operator vouches for the time: no witness countersigned
	// note   that this was recorded and is unchanged is proven; that it is true is the operator's word
	// <nil>
}

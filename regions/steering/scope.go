package steering

import (
	"fmt"
	"net/netip"

	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions"
)

var outcomeNames = [...]string{
	Answer: "answer", FailOpen: "fail-open", Fallback: "fallback", NoData: "nodata", ServFail: "servfail",
}

// String is the outcome in one word, as in explain and metrics.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// VariantBits is the prefix length under which all addresses of addr's family
// have one variant.
func VariantBits(addr netip.Addr) uint8 {
	if addr.Unmap().Is4() {
		return VariantBits4
	}
	return VariantBits6
}

// Varies tells whether clients of one cell may get different answers by their
// variant, so that the scope of an answer has to be as long as VariantBits.
func Varies(w *regions.World, service int, fam Family, p *geo.Place) bool {
	return Decide(w, service, fam, p, 0).Varied
}

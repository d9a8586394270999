package transfer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"iter"

	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/regions"
)

// content is what a zone holds at one moment, but for its serial. Immutable.
type content struct {
	zone    *zone.Zone
	served  []*zone.Node            // those that services answer
	steered map[*zone.Node][][]byte // records in wire form
	base    string                  // digest of the static records; "" when nobody asked
	digest  string                  // of everything; "" likewise
}

// newContent makes the content of z in world w. prev, which may be nil, is an
// earlier one, of which the digest of the same zone is taken over. Digests are
// made only for zones whose serial is counted.
func newContent(z *zone.Zone, w *regions.World, counted bool, prev *content) (*content, error) {
	c := &content{zone: z, steered: map[*zone.Node][][]byte{}}
	if prev != nil && prev.zone == z {
		c.served = prev.served
	} else {
		c.served = servedNodes(z)
	}
	sum := sha256.New()
	var p packer
	for _, n := range c.served {
		for _, rr := range steered(w, n) {
			b, err := p.pack(rr)
			if err != nil {
				return nil, err
			}
			c.steered[n] = append(c.steered[n], bytes.Clone(b))
			sum.Write(b)
		}
	}
	if !counted {
		return c, nil
	}
	var err error
	if prev != nil && prev.zone == z && prev.base != "" {
		c.base = prev.base
	} else if c.base, err = digestOf(z); err != nil {
		return nil, err
	}
	sum.Write([]byte(c.base))
	c.digest = hex.EncodeToString(sum.Sum(nil))
	return c, nil
}

func servedNodes(z *zone.Zone) (list []*zone.Node) {
	for n := range z.Nodes() {
		if n.Service >= 0 {
			list = append(list, n)
		}
	}
	return list
}

// digestOf names the static records of a zone: equal records, equal digest,
// whatever the serial.
func digestOf(z *zone.Zone) (string, error) {
	sum := sha256.New()
	var p packer
	b, err := p.soa(z, 0)
	if err != nil {
		return "", err
	}
	sum.Write(b)
	add := func(b []byte) error {
		_, err := sum.Write(b)
		return err
	}
	for n := range z.Nodes() {
		if err := p.statics(n, add); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// records calls yield with every record but the SOA, in wire form that is valid
// until yield returns, names in canonical order. It ends with yield's error.
func (c *content) records(yield func([]byte) error) error {
	var p packer
	for n := range c.zone.Nodes() {
		if err := c.node(&p, n, yield); err != nil {
			return err
		}
	}
	return nil
}

func (c *content) node(p *packer, n *zone.Node, yield func([]byte) error) error {
	if err := p.statics(n, yield); err != nil {
		return err
	}
	for _, b := range c.steered[n] {
		if err := yield(b); err != nil {
			return err
		}
	}
	return nil
}

// delta is how one version of a zone became the next: one difference sequence
// (RFC 1995 4). Records are in wire form; the SOA stands for itself.
type delta struct {
	from, to       []byte // SOA
	removed, added [][]byte
	size           int // octets

	packer packer
}

var errTooMuch = errors.New("more changes than the journal holds")

// diff finds what leads from a to b; errTooMuch when that is too much.
func diff(a, b *content) (*delta, error) {
	d := &delta{}
	next, stop := iter.Pull(b.zone.Nodes())
	defer stop()
	n, more := next()
	for old := range a.zone.Nodes() {
		for more && zone.CompareNames(n.Name, old.Name) < 0 {
			if err := d.node(nil, nil, b, n); err != nil {
				return nil, err
			}
			n, more = next()
		}
		var same *zone.Node
		if more && bytes.Equal(n.Name, old.Name) {
			same = n
			n, more = next()
		}
		if err := d.node(a, old, b, same); err != nil {
			return nil, err
		}
	}
	for ; more; n, more = next() {
		if err := d.node(nil, nil, b, n); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// node adds the difference between two versions of a node; nil: it is not there.
func (d *delta) node(a *content, old *zone.Node, b *content, now *zone.Node) error {
	if old == now && len(a.steered[old]) == 0 && len(b.steered[now]) == 0 {
		return nil // the same zone: only services change
	}
	before, err := a.list(&d.packer, old)
	if err != nil {
		return err
	}
	after, err := b.list(&d.packer, now)
	if err != nil {
		return err
	}
	d.removed = d.missing(d.removed, before, after)
	d.added = d.missing(d.added, after, before)
	if len(d.removed)+len(d.added) > maxDelta || d.size > maxJournal {
		return errTooMuch
	}
	return nil
}

// list is a node's records; nil has none.
func (c *content) list(p *packer, n *zone.Node) (out [][]byte, err error) {
	if n == nil {
		return nil, nil
	}
	err = c.node(p, n, func(b []byte) error {
		out = append(out, bytes.Clone(b))
		return nil
	})
	return out, err
}

// missing appends those of all that are not among others.
func (d *delta) missing(to, all, others [][]byte) [][]byte {
	var have map[string]bool
	for i, b := range all {
		if i < len(others) && bytes.Equal(b, others[i]) {
			continue // most are
		}
		if have == nil {
			have = make(map[string]bool, len(others))
			for _, o := range others {
				have[string(o)] = true
			}
		}
		if !have[string(b)] {
			to = append(to, b)
			d.size += len(b)
		}
	}
	return to
}

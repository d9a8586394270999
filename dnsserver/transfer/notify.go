package transfer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steerdns/steerdns/dnsserver/tsig"
	"github.com/steerdns/steerdns/dnsserver/wire"
	"github.com/steerdns/steerdns/dnsserver/zone"
)

// How often and how patiently a secondary is told (RFC 1996 3.6 leaves it to
// us): after 1, 2, 4, 8 and 16 s without an answer.
const (
	notifyTries   = 5
	notifyTimeout = time.Second
	notifyAtOnce  = 32 // messages under way
)

// news is one change that one secondary is to hear of.
type news struct {
	target Target
	zone   []byte // wire form
	soa    []byte // in wire form
	serial uint32
}

// id is whom the news is for, about which zone: newer news replaces older.
type newsID struct {
	to   netip.AddrPort
	zone string
}

// notifier sends NOTIFY (RFC 1996). To one secondary goes one message about a
// zone at a time; what changes meanwhile is told when that one has ended.
type notifier struct {
	opt                  Options
	keys                 func() *tsig.Ring
	incoming             chan []news
	timeout              time.Duration // of the first attempt
	acknowledged, failed atomic.Uint64
}

func newNotifier(opt Options, keys func() *tsig.Ring) *notifier {
	return &notifier{opt: opt, keys: keys, incoming: make(chan []news, 64), timeout: notifyTimeout}
}

// tell queues the news of a new version. It never blocks: should the queue be
// full, secondaries find out by their refresh timer.
func (n *notifier) tell(r *Rule, name, soa []byte, serial uint32) {
	list := make([]news, len(r.Notify))
	for i, t := range r.Notify {
		list[i] = news{t, name, soa, serial}
	}
	if len(list) == 0 {
		return
	}
	select {
	case n.incoming <- list:
	default:
		n.failed.Add(uint64(len(list)))
	}
}

func (n *notifier) run(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(notifyAtOnce)
	defer func() { _ = group.Wait() }() // its functions return nil
	waiting, underWay := map[newsID]news{}, map[newsID]bool{}
	done := make(chan newsID, notifyAtOnce)
	for {
		select {
		case <-ctx.Done():
			return nil
		case list := <-n.incoming:
			for _, one := range list {
				waiting[newsID{one.target.Addr, string(one.zone)}] = one
			}
		case id := <-done:
			delete(underWay, id)
		}
		for id, one := range waiting {
			if underWay[id] || !group.TryGo(func() error { n.deliver(ctx, one); done <- id; return nil }) {
				continue
			}
			underWay[id] = true
			delete(waiting, id)
		}
	}
}

// deliver tells one secondary of one change, until it answers or there is no
// point in going on.
func (n *notifier) deliver(ctx context.Context, one news) {
	var err error
	for try := range notifyTries {
		if err = n.attempt(ctx, one, n.timeout<<try); err == nil {
			n.acknowledged.Add(1)
			n.opt.Log.Debug("notified", "zone", zone.NameString(one.zone), "serial", one.serial, "secondary", one.target.Addr)
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
	n.failed.Add(1)
	n.opt.Log.Warn("a secondary did not answer NOTIFY; it will find out by its refresh timer",
		"zone", zone.NameString(one.zone), "serial", one.serial, "secondary", one.target.Addr, "error", err)
}

// attempt sends one message and waits for its answer. An answer that is wrong
// is waited out, so that the next attempt comes at its time.
func (n *notifier) attempt(ctx context.Context, one news, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var dialer net.Dialer
	if n.opt.Source != nil {
		if from := n.opt.Source(one.target.Addr.Addr()); from.IsValid() {
			dialer.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
		}
	}
	msg, request, err := n.message(one)
	if err == nil {
		err = exchange(ctx, &dialer, one.target.Addr, msg, request)
	}
	if err != nil {
		<-ctx.Done()
	}
	return err
}

// message is the NOTIFY, signed when its target has a key.
func (n *notifier) message(one news) ([]byte, *tsig.Request, error) {
	const notifyAA = 4<<11 | wire.FlagAA
	msg := binary.BigEndian.AppendUint16(nil, uint16(rand.Uint32()))
	msg = binary.BigEndian.AppendUint16(msg, notifyAA)
	msg = append(msg, 0, 1, 0, 1, 0, 0, 0, 0)
	msg = append(msg, one.zone...)
	msg = append(msg, 0, 6, 0, 1)                 // SOA IN
	msg = append(msg, 0xc0, wire.HeaderLen)       // the answer's owner is the question's name
	msg = append(msg, one.soa[len(one.zone):]...) // which the SOA begins with
	if one.target.Key == "" {
		return msg, nil, nil
	}
	key := n.keys().Find(one.target.Key)
	if key == nil {
		return nil, nil, fmt.Errorf("this instance has no key %s", zone.NameString([]byte(one.target.Key)))
	}
	signed, request := key.Sign(msg, time.Now())
	return signed, &request, nil
}

// exchange sends msg and waits for an answer that fits.
func exchange(ctx context.Context, dialer *net.Dialer, to netip.AddrPort, msg []byte, request *tsig.Request) error {
	conn, err := dialer.DialContext(ctx, "udp", to.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := conn.Write(msg); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	err = errors.New("no answer")
	for {
		size, readErr := conn.Read(buf)
		if readErr != nil {
			if ctx.Err() == nil {
				err = readErr // refused by the other host
			}
			return err
		}
		if err = judge(buf[:size], msg, request); err == nil {
			return nil
		}
	}
}

// judge says what is wrong with an answer.
func judge(reply, msg []byte, request *tsig.Request) error {
	const qrAndOpcode = 0xf8
	if len(reply) < wire.HeaderLen || reply[0] != msg[0] || reply[1] != msg[1] || reply[2]&qrAndOpcode != 0x80|4<<3 {
		return errors.New("something else than an answer came")
	}
	if request != nil {
		if err := request.Verify(reply, wire.TSIGOf(reply), time.Now()); err != nil {
			return err
		}
	}
	if rcode := reply[3] & 0xf; rcode != 0 {
		return fmt.Errorf("the answer's code is %d", rcode)
	}
	return nil
}

// MissingKeys lists the keys that rules name and that are not there.
func (s *Server) MissingKeys(rules []Rule) (missing []string) {
	ring := s.Keys()
	look := func(key string) {
		if key != "" && ring.Find(key) == nil && !slices.Contains(missing, zone.NameString([]byte(key))) {
			missing = append(missing, zone.NameString([]byte(key)))
		}
	}
	for _, r := range rules {
		for _, a := range r.Allow {
			look(a.Key)
		}
		for _, t := range r.Notify {
			look(t.Key)
		}
	}
	return missing
}

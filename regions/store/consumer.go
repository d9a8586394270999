package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

// progressTimeout bounds asking for progress; the client blocks there while
// its stream is down.
const progressTimeout = time.Second

// consumer carries a Reader's requests to the store, session after session,
// and publishes its pictures.
type consumer struct {
	store   *Store
	reader  *protocol.Reader
	publish func(*regions.Picture)
	told    map[string]int64 // rejections that were logged: key and the revision that wrote it
	listed  bool             // this session has listed
}

func newConsumer(s *Store, publish func(*regions.Picture)) *consumer {
	return &consumer{store: s, reader: s.reader, publish: publish, told: map[string]int64{}}
}

// errWatch is the end of a watch that gives no reason.
var errWatch = errors.New("the watch ended")

// run reads until something breaks.
func (c *consumer) run(ctx context.Context, to peer) error {
	c.reader.Begin(time.Now())
	timer := time.NewTimer(0)
	defer timer.Stop()
	var watch watching
	defer func() { watch.end() }()
	for {
		if !c.reader.Watching() {
			watch.end()
		}
		if heard, err := c.drain(&watch); err != nil {
			return err
		} else if heard {
			continue
		}
		step, err := c.reader.Next(time.Now())
		switch {
		case err != nil:
			return err
		case step == protocol.List:
			err = c.list(ctx, to)
		case step == protocol.Watch:
			watch.begin(ctx, to, c.store.opt.Prefix, c.reader.From())
			c.reader.Opened(time.Now())
			c.store.count.watches.Add(1)
		case step == protocol.Ask:
			watch.ask(to)
		default:
			timer.Reset(time.Until(c.reader.Due()))
			err = c.await(ctx, &watch, timer.C)
		}
		if err != nil {
			return err
		}
	}
}

// drain hears a word that has come already.
func (c *consumer) drain(watch *watching) (heard bool, err error) {
	select {
	case word, open := <-watch.words:
		return true, c.hear(word, open)
	default:
		return false, nil
	}
}

// await waits for a word or the time for the next step.
func (c *consumer) await(ctx context.Context, watch *watching, next <-chan time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case word, open := <-watch.words:
		return c.hear(word, open)
	case <-next:
		return nil
	}
}

// watching is the watch that is open, if any.
type watching struct {
	ctx    context.Context // ends with the watch
	cancel func()
	words  <-chan protocol.Word // nil: none is open
}

func (w *watching) begin(ctx context.Context, to peer, prefix string, from int64) {
	w.end()
	w.ctx, w.cancel = context.WithCancel(ctx)
	w.words = to.Watch(w.ctx, prefix, from)
}

func (w *watching) end() {
	if w.cancel != nil {
		w.cancel()
	}
	*w = watching{}
}

// ask makes a healthy watch say something. An error shows as silence.
func (w *watching) ask(to peer) {
	ctx, cancel := context.WithTimeout(w.ctx, progressTimeout)
	defer cancel()
	_ = to.Progress(ctx)
}

// hear takes one word of the watch.
func (c *consumer) hear(word protocol.Word, open bool) error {
	if !open {
		return errWatch
	}
	c.store.report.contact()
	changed, err := c.reader.Heard(time.Now(), word)
	if errors.Is(err, protocol.ErrRelist) {
		c.store.opt.Log.Info("store: listing again", "reason", err)
		err = nil
	}
	if err != nil {
		return fmt.Errorf("the watch was cancelled: %w", err)
	}
	c.tell(changed)
	return nil
}

// list carries the Reader's list.
func (c *consumer) list(ctx context.Context, to peer) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c.store.count.relists.Add(1)
	reply, err := to.Do(ctx, c.reader.ListRequest())
	if err != nil {
		return err
	}
	changed, err := c.reader.Listed(time.Now(), reply)
	if err != nil {
		return err
	}
	c.arrived()
	c.tell(changed)
	c.store.gate.set(func(g *gate) { g.listed = true })
	if c.store.gate.open() {
		c.sweep(ctx, to)
	}
	return nil
}

// sweep deletes what ended long ago.
func (c *consumer) sweep(ctx context.Context, to peer) {
	for _, request := range c.reader.Sweep(time.Now()) {
		if _, err := to.Do(ctx, request); err != nil {
			c.store.opt.Log.Debug("store: an old override was not swept", "error", err) // the next list tries again
			return
		}
	}
}

// arrived notes that a list has come in.
func (c *consumer) arrived() {
	cluster, revision := c.reader.Cluster(), c.reader.Revision()
	if !c.listed {
		c.store.opt.Log.Info("store connected", "cluster", fmt.Sprintf("%x", cluster), "revision", revision)
	}
	c.listed = true
	c.store.report.connected(cluster, revision)
}

// tell publishes a picture when anything has changed.
func (c *consumer) tell(changed bool) {
	if !changed {
		return
	}
	c.logRefused()
	c.store.count.pictures.Add(1)
	if c.publish != nil {
		c.publish(c.reader.Picture())
	}
	c.store.report.connected(c.reader.Cluster(), c.reader.Revision())
}

// logRefused logs what was refused, once for each revision that wrote it.
func (c *consumer) logRefused() {
	now := map[string]int64{}
	c.reader.Refused(func(key string, mod int64, why []regions.Rejected) {
		now[key] = mod
		if c.told[key] != mod {
			c.store.count.rejected.Add(uint64(len(why)))
		}
		if _, known := c.told[key]; !known {
			c.store.opt.Log.Warn("store: value refused", "key", why[0].Key, "reason", why[0].Reason, "refused", len(why))
		}
	})
	c.told = now
}

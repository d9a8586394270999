package sim

import (
	"errors"

	"github.com/steerdns/steerdns/regions/sim/simetcd"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

// connect begins a session when it is time for one.
func (n *node) connect() {
	if n.session != nil || n.sim.now < n.connectAt {
		return
	}
	n.session = &session{node: n, life: n.life, began: n.sim.now, member: n.turns % members}
	n.turns++
	n.reader.Begin(n.now())
	n.writer.Begin()
	n.writer.Permit(false)
}

// lostIn ends a session if it is still the present one.
func (n *node) lostIn(s *session, why error) {
	if s.open() {
		n.lost(why)
		n.run()
	}
}

// lost ends the session.
func (n *node) lost(why error) {
	n.sim.say("%s loses its session: %v", n.name, why)
	if n.reader.HasListed() && n.sim.now-n.session.began > silence {
		n.retry.Reset()
	}
	n.session = nil
	n.connectAt = n.sim.now + n.retry.Next()
	n.state.SetStoreConnected(false)
	n.judgeAt = n.sim.now
	n.oracleOf().disconnected(n)
	n.sleep()
}

// read does what the Reader wants, as package store does.
func (n *node) read() {
	for n.session != nil && !n.session.listing {
		s := n.session
		if !n.reader.Watching() {
			s.watch, s.words = nil, nil
		}
		if len(s.words) > 0 {
			word := s.words[0]
			s.words = s.words[1:]
			n.hear(word)
			continue
		}
		step, err := n.reader.Next(n.now())
		if err != nil {
			n.lost(err)
			return
		}
		switch step {
		case protocol.Wait:
			return
		case protocol.List:
			s.listing = true
			s.request(n.reader.ListRequest(), n.listed)
		case protocol.Watch:
			s.begin(simetcd.NewWatch(prefix, n.reader.From()))
			n.reader.Opened(n.now())
		case protocol.Ask:
			s.ask()
		}
	}
}

// begin opens a watch, which takes a moment.
func (s *session) begin(w *simetcd.Watch) {
	s.watch, s.words, s.expected = w, nil, 0
	s.node.sim.after(s.delay(), func() {
		if s.open() && s.watch == w {
			s.expectWords(s.node.sim.store.cluster.Revision())
		}
	})
}

// ask asks for a sign of life, which comes if nothing is in the way.
func (s *session) ask() {
	n, w := s.node, s.watch
	n.sim.after(s.delay(), func() {
		if n.cut > 0 || !n.sim.store.answers(s.member) {
			return
		}
		word, alive := n.sim.store.cluster.Progress(w)
		n.sim.after(s.delay(), func() { s.hearIf(alive && n.cut == 0 && n.deaf == 0 && s.watch == w && s.hangs != w, word) })
	})
}

// listed takes the reply to a list.
func (n *node) listed(reply protocol.Reply, err error) {
	n.session.listing = false
	changed := false
	if err == nil {
		changed, err = n.reader.Listed(n.now(), reply)
	}
	if err != nil {
		n.lost(err)
	} else {
		n.state.SetStoreConnected(true)
		n.judgeAt = n.sim.now
		n.oracleOf().listed(n)
		n.told(changed)
		n.writer.Permit(n.believed)
		n.sweep()
	}
	n.run()
}

// sweep deletes from the store what ended long ago.
func (n *node) sweep() {
	if !n.believed {
		return
	}
	for _, r := range n.reader.Sweep(n.now()) {
		n.session.request(r, func(protocol.Reply, error) {})
	}
}

// hear takes one word of the watch.
func (n *node) hear(w protocol.Word) {
	changed, err := n.reader.Heard(n.now(), w)
	switch {
	case errors.Is(err, protocol.ErrRelist):
		n.sim.say("%s lists again: %v", n.name, err)
	case err != nil:
		n.lost(err)
		return
	}
	n.told(changed)
	n.writer.Permit(n.believed)
}

// told hands a new picture to the judge.
func (n *node) told(changed bool) {
	if !changed {
		return
	}
	p := n.reader.Picture()
	n.believed = n.state.SetPicture(p)
	n.oracleOf().picture(n, p, n.believed)
	n.judgeAt = n.sim.now
}

// again hands a refused picture in once more, as package main does after the
// operator's word.
func (n *node) again() {
	refused := n.state.Refused()
	if n.session == nil || refused == nil || n.reader.Cluster() != refused.Cluster || n.reader.Revision() != refused.Revision {
		return
	}
	n.told(true)
	n.writer.Permit(n.believed && n.reader.HasListed())
	n.run()
}

// write carries the Writer's requests, one at a time.
func (n *node) write() {
	s := n.session
	if s == nil || s.writing {
		return
	}
	r, more, err := n.writer.Next(n.now())
	if err != nil || !more {
		return
	}
	s.writing = true
	s.request(r, func(reply protocol.Reply, err error) {
		s.writing = false
		if _, err := n.writer.Done(n.now(), reply, err); err != nil {
			n.sim.say("%s cannot write: %v", n.name, err)
		}
		n.run()
	})
}

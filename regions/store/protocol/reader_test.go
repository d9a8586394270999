package protocol_test

import (
	"errors"
	"testing"
	"time"

	"github.com/steerdns/steerdns/regions/sim/simetcd"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

// listed is a Reader that has listed and opened its watch.
func listed(t *testing.T, store *simetcd.Cluster) *protocol.Reader {
	t.Helper()
	r := protocol.NewReader(fleet, timing)
	r.Begin(noon)
	list(t, r, store, noon)
	if step, err := r.Next(noon); step != protocol.Watch || err != nil {
		t.Fatalf("after the list: step %d, %v", step, err)
	}
	r.Opened(noon)
	return r
}

func list(t *testing.T, r *protocol.Reader, store *simetcd.Cluster, now time.Time) {
	t.Helper()
	if step, err := r.Next(now); step != protocol.List || err != nil {
		t.Fatalf("step %d, %v, want a list", step, err)
	}
	reply, err := store.Do(now, r.ListRequest())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Listed(now, reply); err != nil {
		t.Fatal(err)
	}
}

// A quiet watch is asked for a sign of life, and given up without one.
func TestReaderEndsASilentWatch(t *testing.T) {
	r := listed(t, simetcd.New(1))
	asked := 0
	for now := noon; ; now = now.Add(10 * time.Millisecond) {
		step, err := r.Next(now)
		if step == protocol.Ask {
			asked++
		}
		if err != nil {
			if silent := now.Sub(noon); silent != timing.Silence || asked < 4 {
				t.Errorf("given up after %v, asked %d times", silent, asked)
			}
			return
		}
		if now.Sub(noon) > time.Minute {
			t.Fatal("a silent watch is waited for")
		}
	}
}

// A watch that talks is not asked, and everything is listed again all the same.
func TestReaderListsAgain(t *testing.T) {
	store := simetcd.New(1)
	r := listed(t, store)
	lists := 0
	for now := noon.Add(time.Second); now.Sub(noon) < 5*time.Minute; now = now.Add(time.Second) {
		word, _ := store.Progress(simetcd.NewWatch("", r.From()))
		if _, err := r.Heard(now, word); err != nil {
			t.Fatal(err)
		}
		switch step, err := r.Next(now); {
		case err != nil:
			t.Fatal(err)
		case step == protocol.Ask:
			t.Fatal("a watch that talks was asked")
		case step == protocol.List:
			list(t, r, store, now)
			lists++
		}
	}
	if lists < 3 || lists > 7 {
		t.Errorf("%d lists in 5 minutes, want about one a minute", lists)
	}
}

// What each ending of a watch means: another list, or the end of the session.
func TestReaderDoubts(t *testing.T) {
	for name, test := range map[string]struct {
		word   protocol.Word
		relist bool
	}{
		"compacted":       {protocol.Word{Cluster: 1, Err: protocol.ErrCompacted, Compacted: 7}, true},
		"another cluster": {protocol.Word{Cluster: 2, Events: []protocol.Event{{Entry: protocol.Entry{Key: "/t/votes/a", Mod: 9}}}}, true},
		"no leader":       {protocol.Word{Cluster: 1, Err: protocol.ErrNoLeader}, false},
		"cancelled":       {protocol.Word{Cluster: 1, Err: errors.New("permission denied")}, false},
	} {
		r := listed(t, simetcd.New(1))
		_, err := r.Heard(noon, test.word)
		if errors.Is(err, protocol.ErrRelist) != test.relist || err == nil {
			t.Errorf("%s: %v", name, err)
		}
		if !test.relist {
			continue
		}
		if step, err := r.Next(noon); step != protocol.Wait || err != nil || r.Watching() {
			t.Errorf("%s: step %d, %v, watching %v right after, want a pause", name, step, err, r.Watching())
		}
		if step, err := r.Next(r.Due()); step != protocol.List || err != nil {
			t.Errorf("%s: step %d, %v, want a list", name, step, err)
		}
	}
}

// A history that went back is believed by an operator's word only, and once.
func TestReaderNeedsAWord(t *testing.T) {
	store := simetcd.New(1)
	put := func(c *simetcd.Cluster) {
		if _, err := c.Do(noon, protocol.Request{Txn: protocol.Txn{Then: []protocol.Op{{Kind: protocol.Put, Key: "/t/x", Value: []byte("x")}}}}); err != nil {
			t.Fatal(err)
		}
	}
	backup := store.Backup()
	put(store)
	r := listed(t, store)
	old := backup.Restored(1, noon)
	for range 3 {
		reply, err := old.Do(noon, r.ListRequest())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Listed(noon, reply); err == nil || !r.Refuses() {
			t.Fatalf("believed without a word at revision %d", reply.Revision)
		}
		put(old)
	}
	r.Allow(1)
	reply, err := old.Do(noon, r.ListRequest())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Listed(noon, reply); err != nil || r.Refuses() {
		t.Errorf("not believed on the operator's word: %v", err)
	}
}

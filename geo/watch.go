package geo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

// Watch follows the user's database files until ctx ends, then returns nil.
// Files are looked at every `every` (modification time, size, identity), from
// the moment that Watch is called: start it before the Open whose Data shall
// be kept fresh. When a file has changed and all have then stood still for
// one more look, everything is opened anew and handed to onNew, which owns
// it. When that fails, onError is told, once for each distinct failure, and
// the Data in use should simply stay in use; files that could not be read at
// all are tried again at every look, damaged ones when they change. Both
// callbacks run on Watch's own goroutine. While a new Data is opened and the
// old one serves, both are in memory, and the files' contents too.
func Watch(ctx context.Context, opt Options, every time.Duration, onNew func(*Data), onError func(error)) error {
	if every <= 0 {
		return fmt.Errorf("watching databases every %v: the interval must be positive", every)
	}
	w := watcher{opt: opt, onNew: onNew, onError: onError}
	w.used = look(opt.files())
	w.last = w.used
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			w.poll()
		}
	}
}

// watcher is the state of one Watch.
type watcher struct {
	opt     Options
	onNew   func(*Data)
	onError func(error)

	used, last []sighting // what was opened last; what the last look saw
	failure    string     // reported last, "" after a success
	again      bool       // the files could not be read; try again although they look the same
	digest     string     // handed out last
}

func (w *watcher) poll() {
	now := look(w.opt.files())
	still := slices.EqualFunc(now, w.last, sighting.same)
	fresh := !slices.EqualFunc(now, w.used, sighting.same)
	w.last = now
	if still && (fresh || w.again) {
		w.open(now)
	}
}

// open opens what was seen, and drops the result when it changed meanwhile.
func (w *watcher) open(seen []sighting) {
	d, err := Open(w.opt)
	if after := look(w.opt.files()); !slices.EqualFunc(after, seen, sighting.same) {
		w.last = after
		return
	}
	w.used, w.again = seen, false
	if err != nil {
		w.fail(err)
		return
	}
	w.failure = ""
	if d.Digest() != w.digest {
		w.digest = d.Digest()
		w.onNew(d)
	}
}

func (w *watcher) fail(err error) {
	var unreadable *fs.PathError
	w.again = errors.As(err, &unreadable)
	if err.Error() != w.failure {
		w.failure = err.Error()
		w.onError(err)
	}
}

// sighting is what one look saw of a file; info is nil when err is not.
type sighting struct {
	info fs.FileInfo
	err  string
}

func look(paths []string) []sighting {
	out := make([]sighting, 0, len(paths))
	for _, path := range paths {
		info, err := os.Stat(path)
		s := sighting{info: info}
		if err != nil {
			s = sighting{err: err.Error()}
		}
		out = append(out, s)
	}
	return out
}

func (s sighting) same(t sighting) bool {
	if s.info == nil || t.info == nil {
		return s == t
	}
	return s.info.ModTime().Equal(t.info.ModTime()) && s.info.Size() == t.info.Size() && os.SameFile(s.info, t.info)
}

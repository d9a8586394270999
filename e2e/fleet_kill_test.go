//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// kills is how often TestKilledAtRandom kills, in all.
func kills(t *testing.T) int {
	t.Helper()
	text := os.Getenv("STEERDNS_KILLS")
	if text == "" {
		return 20
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("STEERDNS_KILLS=%q is not a positive number", text)
	}
	return n
}

// firstAnswerBound is how long a start from disk may take to the first answer.
const firstAnswerBound = time.Second

// kill -9 at random points, above all while the state is being saved: the next
// start, without a store, loads a state and answers the same within a second.
func TestKilledAtRandom(t *testing.T) {
	all := &timing{event: "start to first answer, store hung", bound: firstAnswerBound}
	v := newVictim(t)
	for n := range kills(t) {
		took, err := v.cycle()
		if all.took = append(all.took, took); err != nil {
			t.Fatalf("kill %d: %v", n, err)
		}
		if took > firstAnswerBound+busyMachine {
			t.Errorf("kill %d: the first answer took %s", n, took)
		}
	}
	t.Logf("%d kills, in %d of them before the state of that run was saved\n%s", len(all.took), v.unsaved, table(all))
}

// victim is an instance with a store of its own.
type victim struct {
	*lone
	etcd  *process
	want  []string
	state string // path of the saved state

	written time.Time // of that file
	unsaved int       // cycles that ended before it was written anew
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	v := &victim{etcd: start(t, program, "etcd", "--dir", filepath.Join(t.TempDir(), "etcd"), "--listen", address)}
	v.lone = loneInstance(t, "etcd", fmt.Sprintf("etcd: {endpoints: [\"http://%s\"]}", address), "")
	first := v.serve(t)
	fleet := write(t, v.dir, "fleet.yaml", oneFleet)
	await(t, patience, "apply", func() error {
		if r := steerdns(t, "apply", fleet, "--admin", v.Admin); r.status != 0 {
			return fmt.Errorf("%s", r.errs)
		}
		return nil
	})
	v.awaitReady(t, first)
	v.state = filepath.Join(v.dir, "data", "state")
	await(t, patience, "the state is on disk", func() error { _, err := os.Stat(v.state); return err })
	v.want = mustAsk(t, v.DNS, question{}).addresses()
	_ = first.cmd.Process.Kill()
	<-first.ended
	return v
}

// cycle hangs the store, starts the instance, times its first answer, lets the
// store speak, so that states are saved, and kills the instance at any moment.
func (v *victim) cycle() (took time.Duration, err error) {
	if err := v.etcd.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return 0, err
	}
	began := time.Now()
	p, err := spawn(program, "serve", "--config", v.config)
	if err != nil {
		return 0, err
	}
	r, err := v.firstAnswer(p)
	took = time.Since(began)
	if err != nil {
		return took, fmt.Errorf("no answer: %w\n%s", err, tail(p.said.String(), 20))
	}
	if got := r.addresses(); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(v.want))) {
		return took, fmt.Errorf("from disk %v, want %v", got, v.want)
	}
	if err := v.etcd.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		return took, err
	}
	time.Sleep(time.Duration(rand.IntN(500_000)) * time.Microsecond)
	_ = p.cmd.Process.Kill()
	<-p.ended
	if said := p.said.String(); strings.Contains(said, "no saved state") {
		return took, fmt.Errorf("it said:\n%s", tail(said, 20))
	}
	info, err := os.Stat(v.state)
	if err != nil {
		return took, err
	}
	if info.ModTime().Equal(v.written) {
		v.unsaved++
	}
	v.written = info.ModTime()
	return took, nil
}

// firstAnswer asks every few milliseconds until an answer with addresses comes.
func (v *victim) firstAnswer(p *process) (r reply, err error) {
	err = poll(patience, func() error {
		if !p.alive() {
			return fmt.Errorf("it ended:\n%s", tail(p.said.String(), 10))
		}
		conn, err := question{}.dial(v.DNS)
		if err != nil {
			return err
		}
		defer conn.Close()
		if r, err = exchange(conn, question{}.message(), 20*time.Millisecond); err == nil && len(r.addresses()) == 0 {
			err = fmt.Errorf("no address in\n%v", r.Msg)
		}
		return err
	})
	return r, err
}

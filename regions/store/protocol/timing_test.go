package protocol

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	const gap = 100 * time.Millisecond
	p := pace{gap: gap}
	now := noon
	if p.earliest().After(now) {
		t.Fatal("the first write must wait")
	}
	var at []time.Duration
	for range 31 { // as fast as it allows
		if e := p.earliest(); e.After(now) {
			now = e
		}
		p.wrote(now)
		at = append(at, now.Sub(noon))
	}
	if at[1] != gap {
		t.Errorf("the second after %v", at[1])
	}
	if rush := at[paceBurst-1]; rush != (paceBurst-1)*gap {
		t.Errorf("a short rush took %v", rush)
	}
	if steady := at[30] - at[20]; steady != 10*paceFactor*gap {
		t.Errorf("ten writes of a long rush took %v", steady)
	}
	now = now.Add(time.Hour)
	if p.earliest().After(now) {
		t.Error("still waiting after an hour")
	}
}

func TestBackoff(t *testing.T) {
	b := NewBackoff(Timing{})
	for i := range 100 {
		d := b.Next()
		if d < shortestPause/2 || d > longestPause || i > 10 && d < longestPause/2 || i == 0 && d > shortestPause {
			t.Errorf("pause %d is %v", i, d)
		}
	}
	if b.Reset(); b.Next() > shortestPause {
		t.Error("reset did not reset")
	}
}

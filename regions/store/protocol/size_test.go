package protocol

import (
	"fmt"
	"testing"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// crowdBallot is a ballot of n endpoints whose votes all differ.
func crowdBallot(n int) regions.Ballot {
	b := regions.Ballot{Instance: "us-east-1", Region: "us-east", Boot: "b", Seq: 1, Beat: 5 * time.Second, Votes: map[string]healthcheck.Vote{}}
	since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		v := healthcheck.Vote{State: healthcheck.Up, Reason: "status 200", Since: since.Add(time.Duration(i*7919) * time.Microsecond)}
		if i%3 == 0 {
			v.State, v.Reason = healthcheck.Down, fmt.Sprintf("certificate: not valid for host-%d.example.com", i*104729%1_000_003)
		}
		b.Votes[fmt.Sprintf("service-%d.gslb.example.com/us-east/10.%d.%d.%d", i/100, i>>16, i>>8&255, i&255)] = v
	}
	return b
}

// TestCrowdFitsOneKey: 10,000 votes that all differ stay far below what etcd
// takes in one request.
func TestCrowdFitsOneKey(t *testing.T) {
	for _, n := range []int{10_000, MaxVotes} {
		data, err := Pack(crowdBallot(n))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d votes: %d bytes packed", n, len(data))
		if len(data) > MaxRequest/2 {
			t.Errorf("%d votes: %d bytes packed, the writer takes %d", n, len(data), MaxRequest/2)
		}
	}
}

func BenchmarkCrowdPack(b *testing.B) {
	ballot := crowdBallot(10_000)
	for b.Loop() {
		if _, err := Pack(ballot); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCrowdPublish(b *testing.B) {
	box := NewOutbox("us-east-1", "b", time.Second)
	ballot := crowdBallot(10_000)
	for b.Loop() {
		box.PublishVotes(ballot)
	}
}

func BenchmarkCrowdDecode(b *testing.B) {
	k := Keys("/steerdns/")
	data, err := Pack(crowdBallot(10_000))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, p := k.decode(k.Votes("us-east-1"), data); p.ballot == nil {
			b.Fatal(p.rejected)
		}
	}
}

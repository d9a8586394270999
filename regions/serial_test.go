package regions_test

import (
	"reflect"
	"testing"

	"github.com/steerdns/steerdns/regions"
)

// What the store says of serials is in the world and its epoch, and stands while
// the store is away and over a restart.
func TestSerialsTravel(t *testing.T) {
	top := fleetOf(2, 1)
	serials := func(n uint32) []regions.ZoneSerial {
		return []regions.ZoneSerial{{Zone: "example.com.", Serial: n, Digest: "d", By: "r0-1", At: noon}}
	}
	judge := func(n uint32, lost bool, previous *regions.World) *regions.World {
		in := regions.Input{Topology: top, Previous: previous, StoreLost: lost, Now: noon}
		if n > 0 {
			in.Picture = &regions.Picture{Cluster: 1, Revision: int64(n), Serials: serials(n)}
		}
		return regions.Judge(in)
	}
	one := judge(7, false, nil)
	if !reflect.DeepEqual(one.Serials, serials(7)) {
		t.Fatalf("got %+v", one.Serials)
	}
	if two := judge(8, false, one); two.Epoch == one.Epoch {
		t.Error("another serial, the same epoch: SOAs would differ in it")
	}
	if again := judge(7, false, one); again.Epoch != one.Epoch {
		t.Error("the same serial, another epoch")
	}
	if lost := judge(0, true, one); !reflect.DeepEqual(lost.Serials, serials(7)) {
		t.Errorf("without the store: %+v", lost.Serials)
	}
	recalled := regions.Recall(regions.Remember(one), top)
	if !reflect.DeepEqual(recalled.Serials, serials(7)) {
		t.Errorf("after a restart: %+v", recalled.Serials)
	}
}

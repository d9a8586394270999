package admin

import (
	"strings"
	"testing"

	"github.com/steerdns/steerdns/regions"
)

// An instance that is set up wrong shows that, and shows it of others.
func TestStatusTellsOfInstancesThatAreSetUpWrong(t *testing.T) {
	m := newMemory()
	s := serve(t, m)
	st, err := clientOf(s).Status(t.Context())
	if all := strings.Join(st.Notes, "\n"); err != nil || strings.Contains(all, "does not have") || strings.Contains(all, "named") {
		t.Errorf("without a reason: %s (%v)", all, err)
	}
	m.facts.Store.Twin, m.facts.Region = true, "esat"
	m.picture.Instances[0].Region, m.picture.Instances[1].Region = "esat", "south"
	if st, err = clientOf(s).Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"another process writes the votes of this instance: two of the fleet are named east-1, give each its own name",
		"instance east-1 is of region esat, which the fleet does not have: its votes count for nothing (change region in its instance file, or add the region to the fleet file)",
		"instance west-1 is of region south, which the fleet does not have: its votes count for nothing (change region in its instance file, or add the region to the fleet file)",
	} {
		n := 0
		for _, note := range st.Notes {
			if note == want {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d times in the notes: %s\n%s", n, want, strings.Join(st.Notes, "\n"))
		}
	}
	_, body := get(t, s.URL+"/metrics")
	for _, want := range []string{"steerdns_instance_name_taken 1", "steerdns_instances_without_region 2"} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

func TestAcceptCluster(t *testing.T) {
	m := newMemory()
	m.facts.Store.Refused = true
	m.facts.Refused = &regions.Refusal{Cluster: 0xabc, Reason: "the store is another cluster"}
	c := clientOf(serve(t, m))
	st, err := c.Status(t.Context())
	if err != nil || !strings.Contains(strings.Join(st.Notes, "\n"), "accept-cluster 0000000000000abc") {
		t.Errorf("notes %q, %v: no way out is named", st.Notes, err)
	}
	if _, page := get(t, c.base+"/"); !strings.Contains(page, `connected</span>, <span class="down">refused</span>`) {
		t.Errorf("the page does not tell:\n%s", page)
	}
	if err := c.AcceptCluster(t.Context(), "0000000000000abc"); err != nil || m.accepted != 0xabc {
		t.Errorf("accepted %x, %v", m.accepted, err)
	}
	if err := c.AcceptCluster(t.Context(), "0"); err == nil {
		t.Error("cluster 0 was accepted, which would mean any")
	}
}

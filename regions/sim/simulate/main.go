// Command simulate lives through stories of a whole fleet and checks the
// invariants at every step. A story that fails is made small, told, and can
// be had again:
//
//	go run ./regions/sim/simulate -seeds 100000
//	go run ./regions/sim/simulate -seed 4711 -keep 0,2
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/steerdns/steerdns/regions/sim"
)

func main() {
	seeds := flag.Int64("seeds", 10_000, "how many stories")
	from := flag.Uint64("from", 1, "the first seed")
	workers := flag.Int("parallel", runtime.GOMAXPROCS(0), "stories at once")
	limit := flag.Duration("for", 0, "stop after this time; 0: never")
	most := flag.Int("most", 1, "stop after so many failed stories")
	seed := flag.Uint64("seed", 0, "tell the story of this one seed")
	keep := flag.String("keep", "", "with -seed: only these of its faults, as in 0,2,5")
	flag.Parse()
	debug.SetGCPercent(2000) // stories are short and leave much behind
	if *seed != 0 {
		os.Exit(tell(*seed, *keep))
	}
	began := time.Now()
	stop := func() bool { return *limit > 0 && time.Since(began) > *limit }
	t := sim.Search(*from, *seeds, *workers, *most, stop, func(t sim.Tally) { progress(t, began) })
	for _, f := range t.Failed {
		explain(f)
	}
	fmt.Printf("%s, %d violations\n", summary(t, began), len(t.Failed))
	if len(t.Failed) > 0 {
		os.Exit(1)
	}
}

func progress(t sim.Tally, began time.Time) { fmt.Fprintln(os.Stderr, summary(t, began)) }

func summary(t sim.Tally, began time.Time) string {
	took := time.Since(began)
	return fmt.Sprintf("%d stories of %d steps on average in %v, %.0f/s",
		t.Stories, t.Steps/max(t.Stories, 1), took.Round(time.Millisecond), float64(t.Stories)/took.Seconds())
}

// explain prints a failed story, made small, and the way to have it again.
func explain(f sim.Failure) {
	fmt.Printf("VIOLATION in seed %d: %s\n", f.Story.Seed, f.Violation)
	keep, left := sim.Shrink(f)
	var places []string
	for _, i := range keep {
		places = append(places, strconv.Itoa(i))
	}
	fmt.Printf("what is needed for it:\n%s  %s\n", left.Story, left.Violation)
	fmt.Printf("again, step by step: go run ./regions/sim/simulate -seed %d -keep %s\n", f.Story.Seed, cmp.Or(strings.Join(places, ","), "none"))
}

// tell tells one story and how it ends.
func tell(seed uint64, keep string) (code int) {
	story := sim.NewStory(seed)
	if keep != "" {
		var places []int
		for _, s := range strings.Split(keep, ",") {
			if i, err := strconv.Atoi(s); err == nil {
				places = append(places, i)
			}
		}
		story = story.Only(places)
	}
	fmt.Print(story)
	r := sim.Tell(story, func(line string) { fmt.Println(line) })
	if r.Violation != nil {
		fmt.Println("VIOLATION", r.Violation)
		return 1
	}
	fmt.Printf("all invariants held, %d steps\n", r.Steps)
	return 0
}

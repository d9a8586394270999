package geo

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// nearest9 ranks nine places on three continents by distance, as regions
// would.
func nearest9(dst []byte, p *Place) []byte {
	if !p.Located {
		return dst
	}
	at := [9]Point{{39, -77.5}, {45.6, -121.2}, {37.4, -122}, {53.3, -6.3}, {50.1, 8.7}, {51.5, -0.1}, {35.6, 139.7}, {1.3, 103.8}, {-33.9, 151.2}}
	var km [9]float64
	for i := range at {
		km[i] = p.DistanceKm(at[i])
	}
	for range at {
		best := 0
		for i := range km {
			if km[i] < km[best] {
				best = i
			}
		}
		dst = append(dst, byte(best))
		km[best] = 1e9
	}
	return dst[:len(dst)-6] // the first three
}

func worldAtlas(b *testing.B) *Atlas {
	d, err := Open(Options{})
	if err != nil {
		b.Fatal(err)
	}
	return mustCompile(b, d, nearest9)
}

// someClients are random addresses in located space.
func someClients(b *testing.B, a *Atlas, draw func(*Atlas, *rand.Rand) netip.Addr) []netip.Addr {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]netip.Addr, 0, 1<<14)
	for range 1 << 26 {
		at := draw(a, r)
		if c, _ := a.Locate(at); a.located[c] {
			if out = append(out, at); len(out) == cap(out) {
				return out
			}
		}
	}
	b.Fatal("no located space")
	return nil
}

func draw4(_ *Atlas, r *rand.Rand) netip.Addr { return addr4(r.Uint32()) }

// draw6 draws from all runs alike: most of the IPv6 space is empty.
func draw6(a *Atlas, r *rand.Rand) netip.Addr {
	i := r.IntN(len(a.v6.start))
	return addr6(a.v6.start[i] + r.Uint64N(a.v6.last(i)-a.v6.start[i]+1))
}

func BenchmarkLocate4(b *testing.B) { benchmarkLocate(b, draw4) }
func BenchmarkLocate6(b *testing.B) { benchmarkLocate(b, draw6) }

func benchmarkLocate(b *testing.B, draw func(*Atlas, *rand.Rand) netip.Addr) {
	a := worldAtlas(b)
	clients := someClients(b, a, draw)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		a.Locate(clients[i&(1<<14-1)])
		i++
	}
}

func BenchmarkLocatePrefix24(b *testing.B) { benchmarkPrefix(b, 24) }
func BenchmarkLocatePrefix16(b *testing.B) { benchmarkPrefix(b, 16) }
func BenchmarkLocatePrefix8(b *testing.B)  { benchmarkPrefix(b, 8) }

func benchmarkPrefix(b *testing.B, bits int) {
	a := worldAtlas(b)
	clients := someClients(b, a, draw4)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		a.LocatePrefix(netip.PrefixFrom(clients[i&(1<<14-1)], bits))
		i++
	}
}

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		if _, err := Open(Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	d, err := Open(Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(context.Background(), d, nil, nearest9, nil); err != nil {
			b.Fatal(err)
		}
	}
	a := mustCompile(b, d, nearest9)
	l4, l6, cells, bytes := a.Stats()
	b.ReportMetric(float64(l4), "leaves4")
	b.ReportMetric(float64(l6), "leaves6")
	b.ReportMetric(float64(cells), "cells")
	b.ReportMetric(float64(bytes), "B/atlas")
}

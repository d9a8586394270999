package main

import "sync"

// latest hands the newest value to one consumer; values that it did not get
// to in time are replaced, never queued.
type latest[T any] struct {
	mu sync.Mutex // serialises producers
	ch chan T
}

func newLatest[T any]() *latest[T] { return &latest[T]{ch: make(chan T, 1)} }

// put never blocks.
func (l *latest[T]) put(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.ch:
	default:
	}
	l.ch <- v
}

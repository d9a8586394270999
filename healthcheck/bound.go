package healthcheck

import "time"

// minInterval keeps a check without a sensible interval from spinning.
const minInterval = 10 * time.Millisecond

// interval is the pace that holds: Interval, at least minInterval.
func (c Check) interval() time.Duration { return max(c.Interval, minInterval) }

// timeout is the limit of one probe that holds: Timeout, or the interval
// when Timeout is not positive or longer than it.
func (c Check) timeout() time.Duration {
	if c.Timeout <= 0 {
		return c.interval()
	}
	return min(c.Timeout, c.interval())
}

// longestGap is the most that lies between two starts of one target.
func (c Check) longestGap() time.Duration { return c.interval() + c.interval()/10 }

// DetectBound is the longest time from the moment an endpoint stops
// answering to the vote down: Fall × 1.1 × Interval + Timeout, or TTL for
// reports, or the longest of a combination. It holds while no start is held
// back by the bounds on probes in flight.
func (c Check) DetectBound() time.Duration {
	switch c.Kind {
	case Push:
		return c.TTL
	case Combined:
		return longest(c.Of, Check.DetectBound)
	}
	return time.Duration(max(c.Fall, 1))*c.longestGap() + c.timeout()
}

// RecoverBound is the longest time from the moment an endpoint answers again
// to the vote up: Rise × 1.1 × Interval + Timeout, under the same condition
// as DetectBound. A vote that was unknown needs one success only, and a
// report counts when it comes.
func (c Check) RecoverBound() time.Duration {
	switch c.Kind {
	case Push:
		return 0
	case Combined:
		return longest(c.Of, Check.RecoverBound)
	}
	return time.Duration(max(c.Rise, 1))*c.longestGap() + c.timeout()
}

func longest(of []Check, bound func(Check) time.Duration) (most time.Duration) {
	for _, c := range of {
		most = max(most, bound(c))
	}
	return most
}

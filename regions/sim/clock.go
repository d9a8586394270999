package sim

import (
	"time"
	"unsafe"
)

// noon is the moment on everybody's wall clock at which a story begins.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// moment is a time as a running program reads it: a wall clock that may be
// wrong, and a monotonic clock that is not. Package time cannot make one whose
// two readings differ, and that difference is what clock steps are about: so
// it is put together from time.Time's documented parts. TestMoment holds it to
// that layout.
func moment(sinceStart, skew time.Duration) time.Time {
	wall := noon.Add(sinceStart + skew)
	parts := timeParts{
		wall: 1<<63 | uint64(wall.Unix()-unixOf1885)<<30 | uint64(wall.Nanosecond()),
		ext:  int64(sinceStart + time.Hour),
		loc:  nil, // UTC
	}
	return *(*time.Time)(unsafe.Pointer(&parts))
}

// timeParts is the layout of time.Time with a monotonic reading: a flag, 33
// bits of seconds since 1885, 30 bits of nanoseconds; the monotonic reading.
type timeParts struct {
	wall uint64
	ext  int64
	loc  *time.Location
}

var unixOf1885 = time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC).Unix()

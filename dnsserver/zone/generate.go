package zone

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxGenerated bounds the records that $GENERATE makes in one zone: enough for
// the reverse names of a /16.
const maxGenerated = 65536

// generate expands $GENERATE start-stop[/step] owner [TTL] [class] type data,
// as BIND defines it, with $ and ${offset[,width[,base]]} for the counter.
func (r *reader) generate(t []token) {
	if len(t) < 4 {
		r.rep.add(t[0].at, "write $GENERATE 1-9 host-$ A 192.0.2.$", "$GENERATE needs a range, an owner, a type and data")
		return
	}
	first, last, step, err := parseRange(t[1].text)
	if err != nil {
		r.rep.add(t[1].at, "write start-stop or start-stop/step", "range %q: %v", clip(t[1].text), err)
		return
	}
	if r.generated += (last-first)/step + 1; r.generated > maxGenerated {
		r.rep.add(t[1].at, "use a smaller range, or a wildcard", "$GENERATE would make more than %d records in this zone", maxGenerated)
		return
	}
	known := r.rep.count()
	line := make([]token, len(t)-2)
	for n := first; n <= last && r.rep.count() == known; n += step {
		if !r.generateLine(line, t[2:], n) {
			return
		}
	}
}

func (r *reader) generateLine(line, template []token, n int) bool {
	for i, t := range template {
		text, err := substitute(t.text, n)
		if err != nil {
			r.rep.add(t.at, "write $ or ${offset,width,base} with base d, o, x or X", "%q: %v", clip(t.text), err)
			return false
		}
		line[i] = token{text, t.at}
	}
	r.record(entry{at: template[0].at, tokens: line})
	return true
}

// parseRange reads start-stop[/step], all of them non-negative, step at least 1.
func parseRange(s string) (first, last, step int, err error) {
	span, by, stepped := strings.Cut(s, "/")
	from, to, ok := strings.Cut(span, "-")
	if !ok {
		return 0, 0, 0, errors.New("there is no -")
	}
	if !stepped {
		by = "1"
	}
	var bounds [3]int
	for i, text := range [...]string{from, to, by} {
		v, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return 0, 0, 0, fmt.Errorf("%q is not a number below 2147483648", clip(text))
		}
		bounds[i] = int(v)
	}
	first, last, step = bounds[0], bounds[1], bounds[2]
	if last < first || step == 0 {
		return 0, 0, 0, errors.New("it is empty")
	}
	return first, last, step, nil
}

// substitute puts the counter n in the place of every $ that is not escaped.
func substitute(text string, n int) (string, error) {
	if !strings.Contains(text, "$") {
		return text, nil
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			out.WriteString(text[i : i+2])
			i++
		case text[i] != '$':
			out.WriteByte(text[i])
		case strings.HasPrefix(text[i:], "${"):
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return "", errors.New("${ is not closed")
			}
			if err := appendCounter(&out, text[i+2:i+end], n); err != nil {
				return "", err
			}
			i += end
		default:
			out.WriteString(strconv.Itoa(n))
		}
	}
	return out.String(), nil
}

// appendCounter writes n as offset[,width[,base]] says.
func appendCounter(out *strings.Builder, modifier string, n int) error {
	fields := strings.Split(modifier, ",")
	if len(fields) > 3 {
		return errors.New("more than three modifiers")
	}
	offset, err := strconv.ParseInt(fields[0], 10, 31)
	if err != nil || n+int(offset) < 0 {
		return fmt.Errorf("offset %q does not give a number from 0 on", fields[0])
	}
	width, base := uint64(0), "d"
	if len(fields) > 1 {
		if width, err = strconv.ParseUint(fields[1], 10, 8); err != nil || width > maxLabel {
			return fmt.Errorf("width %q is not a number up to %d", fields[1], maxLabel)
		}
	}
	if len(fields) > 2 {
		base = fields[2]
	}
	switch base {
	case "d", "o", "x", "X":
		fmt.Fprintf(out, "%0*"+base, int(width), n+int(offset))
		return nil
	}
	return fmt.Errorf("unknown base %q", base)
}

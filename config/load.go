package config

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"
)

// Hash names a fleet configuration: the hex SHA-256 over the text and the
// files that it names. Two files with the same hash configure the same fleet;
// line ends (CR LF or LF) make no difference.
func Hash(text []byte, files map[string][]byte) string {
	h := sha256.New()
	writePart(h, canonical(text))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		writePart(h, []byte(name))
		writePart(h, canonical(files[name]))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// writePart writes the length first, so that no two lists of parts run
// together into the same bytes.
func writePart(h hash.Hash, part []byte) {
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
	h.Write(part)
}

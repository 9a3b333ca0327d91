package run

import "bytes"

// For tests: the codec and its limits.
var DecodeEntry = decodeEntry

const (
	MaxEntry   = maxEntry
	MaxEntries = maxEntries
)

// Sum makes the first line an object with a checksum that holds.
func Sum(object []byte) []byte {
	line, _, _ := bytes.Cut(object, []byte("\n"))
	line = append(bytes.Clone(line), '\n')
	return append(line, digestOf(line)+"\n"...)
}

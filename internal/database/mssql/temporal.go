package mssql

import (
	"errors"
	"fmt"
	"time"

	"lifeboat/internal/database"
)

// The driver gives and takes every date and time as a time.Time; canonical rows hold
// counts. All counts are exact: 100 ns is the finest unit a column has.
const (
	secondTicks = int64(time.Second / 100) // 100 ns in a second
	dayTicks    = 86400 * secondTicks
	dayThirds   = 86400 * 300        // 1/300 s in a day
	minThirds   = 60 * 300           // 1/300 s in a minute
	year1       = int64(62135596800) // seconds from 0001-01-01T00:00Z to the Unix epoch
	day1900     = int64(693595)      // days from 0001-01-01 to 1900-01-01
	maxDay      = int64(3652058)     // 9999-12-31, in days since 0001-01-01
	minDateTime = int64(-53690)      // 1753-01-01, in days since 1900-01-01; the driver clamps what is earlier
	maxSmall    = int64(65535)       // 2079-06-06, likewise
	maxOffset   = 14 * 60            // minutes
)

var errRange = errors.New("out of the range of the column's type")

// ticksOf is 100 ns since 0001-01-01T00:00 UTC.
func ticksOf(t time.Time) int64 {
	return (t.Unix()+year1)*secondTicks + int64(t.Nanosecond()/100)
}

func timeOf(ticks int64) time.Time {
	return time.Unix(ticks/secondTicks-year1, ticks%secondTicks*100).UTC()
}

// appendTime appends v as type t has it. v carries the wall clock in UTC, except for
// datetimeoffset, where it carries its zone.
func appendTime(dst []byte, t sqlType, v time.Time) ([]byte, error) {
	ticks := ticksOf(v)
	switch t.Name {
	case "date":
		return database.AppendDate(dst, ticks/dayTicks), nil
	case "time":
		return database.AppendTime(dst, ticks%dayTicks), nil
	case "datetime2":
		return database.AppendDateTime2(dst, ticks), nil
	case "datetime", "smalldatetime":
		// The driver rounds 1/300 s to milliseconds ending in 0, 3 or 7: undo it.
		ms := ticks % dayTicks / 10_000
		return database.AppendDateTime(dst, ticks/dayTicks-day1900, (ms*3+5)/10), nil
	case "datetimeoffset":
		_, offset := v.Zone()
		return database.AppendDateTimeOffset(dst, ticks, int64(offset/60)), nil
	}
	return dst, fmt.Errorf("type %s has no time", t)
}

// timeValue undoes appendTime. What the column cannot hold exactly is refused.
func timeValue(t sqlType, v database.Value) (time.Time, error) {
	switch {
	case t.Name == "date" && v.Tag == database.TagDate:
		return timeOf(v.Int * dayTicks), inRange(v.Int, 0, maxDay)
	case t.Name == "time" && v.Tag == database.TagTime:
		return timeOf(v.Int), errors.Join(inRange(v.Int, 0, dayTicks-1), hasScale(v.Int, t.Scale))
	case t.Name == "datetime2" && v.Tag == database.TagDateTime2:
		return timeOf(v.Int), errors.Join(inRange(v.Int, 0, (maxDay+1)*dayTicks-1), hasScale(v.Int, t.Scale))
	case t.Name == "datetime" && v.Tag == database.TagDateTime:
		err := errors.Join(inRange(v.Int, minDateTime, maxDay-day1900), inRange(v.Aux, 0, dayThirds-1))
		return timeOf((v.Int+day1900)*dayTicks + (v.Aux*secondTicks+150)/300), err
	case t.Name == "smalldatetime" && v.Tag == database.TagDateTime:
		err := errors.Join(inRange(v.Int, 0, maxSmall), inRange(v.Aux, 0, dayThirds-1), divides(v.Aux, minThirds))
		return timeOf((v.Int+day1900)*dayTicks + v.Aux*secondTicks/300), err
	case t.Name == "datetimeoffset" && v.Tag == database.TagDateTimeOffset:
		local := v.Int + v.Aux*60*secondTicks
		err := errors.Join(inRange(v.Aux, -maxOffset, maxOffset), inRange(v.Int, 0, (maxDay+1)*dayTicks-1),
			inRange(local, 0, (maxDay+1)*dayTicks-1), hasScale(v.Int, t.Scale))
		if err != nil {
			return time.Time{}, err
		}
		return timeOf(v.Int).In(time.FixedZone("", int(v.Aux)*60)), nil
	}
	return time.Time{}, fmt.Errorf("a value with type tag %d does not fit column type %s", v.Tag, t)
}

func inRange(v, first, last int64) error {
	if v < first || v > last {
		return errRange
	}
	return nil
}

// hasScale refuses more fractional digits than the column keeps: the driver would cut them off.
func hasScale(ticks int64, scale int) error {
	unit := int64(1)
	for range 7 - scale {
		unit *= 10
	}
	return divides(ticks, unit)
}

func divides(v, unit int64) error {
	if v%unit != 0 {
		return errRange
	}
	return nil
}

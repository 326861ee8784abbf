// Finds mistakes in the use of events, at the price of a table of all of them.
//
// An Event is a record inside the user's own object, so nothing keeps a program
// from using one that is gone, or from making a new one where another is still
// pending: the loop's lists are then broken, and fail much later, elsewhere. In
// debug mode the library keeps a note of every event, and says at once which
// event it was:
//
//  - Add() of an event that has been destroyed is logged as an error, and
//    refused (FailedPrecondition).
//  - An event that is constructed in the place of one that is pending is logged
//    as fatal, with what that one waited for, and aborts: nothing can be
//    mended.
//
// ```cpp
// percore::EnableDebugMode();  // before the first event
// ```
#ifndef PERCORE_RUNTIME_DEBUG_MODE_H_
#define PERCORE_RUNTIME_DEBUG_MODE_H_

namespace percore {

// Any thread; once, for the whole process, and best before the first event:
// those that are older are known from their next Add() on. Cannot be undone.
// Costs a lock and an allocation with every event that is made or added.
void EnableDebugMode();

}  // namespace percore

#endif  // PERCORE_RUNTIME_DEBUG_MODE_H_

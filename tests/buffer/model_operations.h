// What each operation of a script does to a Buffer, and to what it must be.
#ifndef PERCORE_TESTS_BUFFER_MODEL_OPERATIONS_H_
#define PERCORE_TESTS_BUFFER_MODEL_OPERATIONS_H_

#include "percore/tests/buffer/buffer_script.h"
#include "percore/tests/buffer/model_state.h"

namespace percore::model {

// Does `operation` to `subject` (and to the one that it names as the other),
// and has `model` compare what it returned.
using Function = void(Model& model, ModelSubject& subject,
                      const Operation& operation);

// model_adding.cc
Function Append;
Function AppendOwnBytes;
Function AppendExtents;
Function AppendFormat;
Function AppendPrintf;
Function AppendCord;
Function AppendReference;
Function AppendFile;
Function AppendFileRange;
Function Prepend;
Function PrependOwnBytes;

// model_room.cc
Function Reserve;
Function Commit;
Function ReserveAndCommit;
Function ExpandAndAppend;

// model_moving.cc
Function AppendShared;
Function AppendBuffer;
Function PrependBuffer;
Function MoveFrom;
Function PrependFrom;
Function MoveAssign;
Function MoveConstruct;
Function Drain;
Function Clear;
Function Remove;
Function Pullup;
Function Unshare;
Function Replace;

// model_transfers.cc
Function ReadFrom;
Function WriteTo;

// model_looking.cc
Function ReadLine;
Function CopyOut;
Function Peek;
Function ToString;
Function ToCord;
Function Find;
Function FindLineEnd;
Function SetPosition;
Function AdvancePosition;
Function LookFromPosition;
Function FindFromPosition;
Function FindLineEndFromPosition;

// model_settings.cc
Function Freeze;
Function Unfreeze;
Function SetSizeLimit;
Function SetMaxRead;
Function AddObserver;
Function RemoveObserver;
Function SwitchObserver;

// An offset within the bytes of `subject`, or a little behind them.
inline size_t OffsetIn(const ModelSubject& subject, const Operation& operation,
                       uint32_t which) {
  return operation.Number(which, subject.size() + 3);
}

}  // namespace percore::model

#endif  // PERCORE_TESTS_BUFFER_MODEL_OPERATIONS_H_

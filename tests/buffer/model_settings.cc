// What a Buffer is told about itself, and who observes it.
#include <algorithm>

#include "percore/tests/buffer/model_operations.h"

namespace percore::model {
namespace {

BufferEnd EndOf(const Operation& operation) {
  return operation.Flag(0) ? BufferEnd::kFront : BufferEnd::kBack;
}

ModelObserver& ObserverOf(Model& model, const Operation& operation) {
  return model.observer(operation.Number(0, Model::kObservers));
}

void Detach(ModelSubject& subject, const ModelObserver& observer) {
  std::erase(subject.observers, &observer);
}

}  // namespace

void Freeze(Model&, ModelSubject& subject, const Operation& operation) {
  const BufferEnd end = EndOf(operation);
  subject.buffer->Freeze(end);
  (end == BufferEnd::kFront ? subject.front_frozen : subject.back_frozen) =
      true;
}

void Unfreeze(Model&, ModelSubject& subject, const Operation& operation) {
  const BufferEnd end = EndOf(operation);
  subject.buffer->Unfreeze(end);
  (end == BufferEnd::kFront ? subject.front_frozen : subject.back_frozen) =
      false;
}

void SetSizeLimit(Model&, ModelSubject& subject, const Operation& operation) {
  size_t limit = SIZE_MAX;
  if (operation.Flag(0) && operation.Flag(1)) limit = operation.Size();
  if (operation.Flag(0) && !operation.Flag(1)) {
    limit = subject.size() + operation.Size();
  }
  subject.buffer->SetSizeLimit(limit);
  subject.size_limit = limit;
}

void SetMaxRead(Model&, ModelSubject& subject, const Operation& operation) {
  const size_t most = operation.Flag(0) ? operation.Size() : SIZE_MAX;
  subject.buffer->SetMaxRead(most);
  subject.max_read = std::clamp<size_t>(most, 1, UINT32_MAX);
}

void AddObserver(Model& model, ModelSubject& subject,
                 const Operation& operation) {
  ModelObserver& observer = ObserverOf(model, operation);
  for (size_t i = 0; i < kSubjects; ++i) {
    ModelSubject& before = model.subject(i);
    if (std::ranges::find(before.observers, &observer) ==
        before.observers.end()) {
      continue;
    }
    Detach(before, observer);
    before.reservation.reset();
  }
  subject.buffer->AddObserver(observer.observer);
  subject.observers.insert(subject.observers.begin(), &observer);
  model.Expect(observer.observer.buffer() == &*subject.buffer, true,
               "that an observer observes");
}

void RemoveObserver(Model& model, ModelSubject& subject,
                    const Operation& operation) {
  ModelObserver& observer = ObserverOf(model, operation);
  subject.buffer->RemoveObserver(observer.observer);
  Detach(subject, observer);
  model.Expect(observer.observer.buffer() == &*subject.buffer, false,
               "that an observer that was removed observes");
}

void SwitchObserver(Model& model, ModelSubject&, const Operation& operation) {
  ModelObserver& observer = ObserverOf(model, operation);
  // Enabled twice as often: who is not told finds nothing.
  observer.enabled = operation.Number(1, 3) != 0;
  if (observer.enabled) {
    observer.observer.Enable();
  } else {
    observer.observer.Disable();
  }
  model.Expect(observer.observer.enabled(), observer.enabled, "enabled()");
}

}  // namespace percore::model

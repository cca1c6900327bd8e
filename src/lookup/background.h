// A question that may take long (DNS, a directory of users), asked on a thread of its own; who asks looks now and then
// whether the answer is there. One question at a time. Whoever is destroyed meanwhile leaves the thread behind: it ends
// when its answer comes, which nobody then reads, so the question must own all that it uses.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

namespace tipstaff {

template <class Answer>
class Background {
 public:
  /// False: it still works on the last question, or there is no thread to be had; nothing is asked then.
  bool ask(std::function<Answer()> question) {
    {
      const std::scoped_lock lock(desk_->mutex);
      if (desk_->busy) return false;
      desk_->busy = true;
      desk_->answer.reset();
    }
    try {
      std::thread([desk = desk_, question = std::move(question)] {
        Answer answer = question();
        const std::scoped_lock lock(desk->mutex);
        desk->answer = std::move(answer);
        desk->busy = false;
      }).detach();
    } catch (const std::system_error&) {
      const std::scoped_lock lock(desk_->mutex);
      desk_->busy = false;
      return false;
    }
    return true;
  }

  /// The answer, once.
  std::optional<Answer> take() {
    const std::scoped_lock lock(desk_->mutex);
    return std::exchange(desk_->answer, std::nullopt);
  }

  [[nodiscard]] bool is_busy() const {
    const std::scoped_lock lock(desk_->mutex);
    return desk_->busy;
  }

 private:
  struct Desk {
    std::mutex mutex;
    bool busy = false;
    std::optional<Answer> answer;
  };
  std::shared_ptr<Desk> desk_ = std::make_shared<Desk>();
};

}  // namespace tipstaff

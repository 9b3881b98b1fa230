// co_await Offload(pool, f): runs f() on a worker thread and resumes the coroutine on its own executor with
// the result.
#pragma once
// Boost 1.74's awaitable.hpp needs it before and does not say so.
// clang-format off
#include <utility>
// clang-format on

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <type_traits>

namespace plume::server {

template <typename F>
auto Offload(boost::asio::thread_pool* pool, F function) -> boost::asio::awaitable<std::invoke_result_t<F>> {
  namespace asio = boost::asio;
  using R = std::invoke_result_t<F>;
  // Through a pointer, because a completion value must be default-constructible and R need not be.
  std::unique_ptr<R> result =
      co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::unique_ptr<R>)>(
          [pool](auto&& handler, F work) {
            auto executor = asio::get_associated_executor(handler);
            asio::post(*pool, [handler = std::move(handler), work = std::move(work), executor,
                               guard = asio::make_work_guard(executor)]() mutable {
              auto value = std::make_unique<R>(work());
              asio::post(executor, [handler = std::move(handler), value = std::move(value)]() mutable {
                handler(std::move(value));
              });
            });
          },
          asio::use_awaitable, std::move(function));
  co_return std::move(*result);
}

}  // namespace plume::server

"""One thread a matrix product, as in the app: on a busy machine two wait for each other longer than they work.

Hypothesis' examples have no deadline, because no test asserts a time.
"""

from hypothesis import settings

from initviz.core.threads import one_thread_a_product

one_thread_a_product()
settings.register_profile("without a deadline", deadline=None)
settings.load_profile("without a deadline")

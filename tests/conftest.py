"""One thread a matrix product, as in the app: on a busy machine two wait for each other longer than they work."""

from initviz.core.threads import one_thread_a_product

one_thread_a_product()

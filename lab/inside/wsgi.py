"""NetBox with its static files and its administrator, as gunicorn serves it in a lab. Runs in NetBox's environment.

Loaded once, before gunicorn makes its workers out of this process: they share its memory, and start in no time.
"""

import gc

import accounts
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.db import connections
from django.urls import get_resolver
from netbox.wsgi import application as netbox

accounts.ensure()
# There is no web server in front that would serve the style sheets.
application = StaticFilesHandler(netbox)
# The views and their serializers too, which otherwise each worker loads in its first request.
get_resolver().url_patterns  # noqa: B018
# No connection to the database may be shared between the workers; Redis's client notices a fork by itself.
connections.close_all()
# All that was loaded stays until the end. Looked through for garbage again and again, it takes a third of each answer.
# What a worker loads later stays too, and a list makes and drops some 50,000 things: with the usual thresholds every
# fourth answer to a list takes twice as long.
gc.collect()
gc.freeze()
gc.set_threshold(100_000, 50, 100)

"""NetBox with its static files, as gunicorn serves it in a lab: there is no web server in front that would."""

from django.contrib.staticfiles.handlers import StaticFilesHandler
from netbox.wsgi import application as netbox

application = StaticFilesHandler(netbox)

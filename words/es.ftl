# The sale, before joining
status-scheduled = Aún no ha empezado
status-open = Abierta
status-paused = En pausa
status-sold-out = Agotada
status-closed = Terminada
starts-on = Empieza: { $at }.
join-before-start = Ya puede ocupar su lugar. La fila empieza a avanzar al comienzo.
start-not-set = La venta no ha empezado. La hora de inicio aún no está fijada.
join-before-open = Ya puede ocupar su lugar. La fila empieza a avanzar cuando se abra la venta.
no-units = Ahora mismo no hay unidades disponibles.
sale-open = La venta está abierta. Únase a la fila y le mostramos su lugar en directo.
sale-paused = La venta está en pausa. Ahora mismo no pasa nadie.
join-while-paused = Aun así puede unirse. Se le guarda el lugar y la fila avanza cuando se reanude la venta.
sale-sold-out = Se han vendido todas las unidades. La fila ya no admite a nadie más.
sale-closed = Esta venta ha terminado. La fila ya no admite a nadie más.
join = Unirse a la fila
join-help = Se atiende por orden de llegada. Puede cerrar esta página y volver en este navegador: se le guarda el lugar.
all-held = Todas las unidades se están comprando en este momento.
return-from = Algunas podrían volver a partir de { $at }.
return-some = Algunas podrían volver.
available = Disponibles
held = En compra
sold = Vendidas

# In line
from-seller = Mensaje de la tienda:
paused = La venta está en pausa.
paused-help = Ahora mismo no pasa nadie. Se le guarda el lugar.
in-line = Está en la fila
place-taken = Ya tiene su lugar. No hay nada que hacer hasta el comienzo: después, esta página le muestra dónde está.
waiting = Personas en la fila
your-place = Su lugar en la fila
in-front = Delante
behind = Detrás
wait = Espera estimada
chance = Sus posibilidades
chance-certain = seguro
chance-very-likely = muy probable
chance-likely = probable
chance-even = más o menos la mitad
chance-unlikely = poco probable
chance-very-unlikely = muy poco probable
chance-none = sin posibilidades reales
chance-over = más del { $p }
chance-under = menos del { $p }
under-a-minute = menos de un minuto
minutes =
    { $n ->
        [one] { $range } minuto
        [many] { $range } de minutos
       *[other] { $range } minutos
    }
hours =
    { $n ->
        [one] { $range } hora
        [many] { $range } de horas
       *[other] { $range } horas
    }
days =
    { $n ->
        [one] { $n } día
        [many] { $n } de días
       *[other] { $n } días
    }
range = { $low }–{ $high }
percent = { $n } %
day-time = { $date }, a las { $time }
live = En directo
news-old =
    { $n ->
        [one] Últimas noticias hace { $n } segundo. Se le guarda el lugar mientras nos reconectamos.
        [many] Últimas noticias hace { $n } de segundos. Se le guarda el lugar mientras nos reconectamos.
       *[other] Últimas noticias hace { $n } segundos. Se le guarda el lugar mientras nos reconectamos.
    }
alert-me = Avisarme cuando sea mi turno
late-paused = La espera se ha alargado: la venta estuvo en pausa un tiempo.
late-all-held = La espera se ha alargado: todas las unidades se estaban comprando y volvieron tarde.
late-checkout-full = La espera se ha alargado: la caja está llena y los siguientes pasan cuando otros terminan.
late-pace = La espera se ha alargado: la tienda cambió el ritmo de paso.
late-outage = La espera se ha alargado: la fila se restableció tras una avería, con cada persona en su lugar.
late-slower = La espera se ha alargado: las personas de delante tardan más que antes.
hopeless = Es probable que delante de usted compren más personas que unidades quedan. Puede quedarse: lo que no se compre pasa a la siguiente persona de la fila. O salga ahora y ahórrese la espera.
numbers = De dónde salen estas cifras
numbers-help = La espera: a qué ritmo se ha pasado en los últimos minutos de esta venta. Las posibilidades: cuán probable es que delante de usted compren menos personas que unidades quedan, según cuántas de las que pasaron por la caja de esta venta compraron hasta ahora.
leave = Salir de la fila
leave-help = Perderá su lugar definitivamente. Para volver habría que empezar al final de la fila.
leave-yes = Sí, dejar mi lugar

# Going on on another device
move = Continuar en otro dispositivo
move-help = Recibe un enlace y un código QR. Su lugar sigue siendo el mismo; este dispositivo deja de tenerlo.
move-make = Crear un enlace
move-link = Apunte aquí la cámara del otro dispositivo. El enlace sirve una vez, hasta las { $at }; quien lo abra recibe su lugar.
qr = Código QR del enlace de abajo
moved = Este lugar se pasó a otro dispositivo
moved-help = Ahora se muestra allí y este dispositivo ya no puede usarlo. Para recuperarlo, pulse allí «Continuar en otro dispositivo».
take = ¿Continuar en este dispositivo?
take-help = Su lugar en la fila viene aquí. El otro dispositivo deja de tenerlo.
take-yes = Sí, continuar aquí
take-warning = ¿Le envió este enlace otra persona? Le da el lugar de esa persona. Puede cerrar esta página; entonces no cambia nada.

# The turn, and how a ticket ends
turn = Es su turno
turn-title = Su turno
held-until = Tiene una unidad reservada hasta las { $at }.
go-checkout = Ir a la caja
no-checkout-address = Su unidad está reservada hasta las { $at }. La tienda no nos ha indicado la dirección de su caja. Abra la página de la tienda en otra pestaña y mantenga esta abierta.
if-late = Si no compra a tiempo, la unidad deja de estar reservada para usted.
yours = Es suya
order-confirmed = Su pedido está confirmado. La unidad { $unit } es suya.
order = Pedido
open-receipt = Abrir el recibo
expired = Su tiempo para comprar ha terminado
expired-help = Tuvo una unidad reservada hasta las { $at }.
released = Ha devuelto su unidad
released-help = La unidad ya no está reservada para usted.
sold-out = Agotado
sold-out-help = Se han vendido todas las unidades y la fila ha terminado. Gracias por esperar.
closed = La venta ha terminado
closed-help = La tienda cerró esta venta antes de que llegara su turno.
left = Ha salido de la fila
left-help = Su lugar pasó a quienes estaban detrás.
removed = Le han quitado de la fila
removed-help = La tienda retiró este turno. Si cree que es un error, consulte a la tienda.
join-again = Unirse de nuevo
join-again-help = Recibe un turno nuevo, al final de la fila.

# Spoken by screen readers
say-scheduled = Está en la fila. La venta no ha empezado.
say-waiting = Está en el lugar { $position } de la fila.
say-admitted = Es su turno. Tiene { $left } para comprar.
say-confirmed = Su pedido está confirmado.
say-minute = Le queda un minuto.
say-over = Se acabó su tiempo. Aún puede funcionar durante unos segundos.

# The checkout and the receipt
checkout = Caja
unit-held = La unidad { $unit } está reservada para usted
buy-before = Compre antes de las { $at }. Después, la unidad deja de estar reservada para usted.
over = Se acabó su tiempo.
over-help = Aún puede funcionar durante unos segundos: pulse «Comprar ahora» y lo intentamos.
reference = Referencia de pago
optional = (opcional)
reference-help = Aparece en su recibo, hasta 200 caracteres.
reference-bad = Use 200 caracteres como máximo.
buy = Comprar ahora
not-wanted = No la quiero
not-wanted-help = La unidad deja de estar reservada para usted. No se puede deshacer.
give-back = Devolverla
unknown-outcome = Todavía no sabemos si ha funcionado. Pulse otra vez «Comprar ahora»: no se le cobrará dos veces.
receipt = Recibo
receipt-help = Su pedido está confirmado y bien registrado.
sale = Venta
unit = Unidad
confirmed-at = Confirmado
keep = Guarde esta página: imprímala, guárdela o anote el pedido. Es su comprobante ante la tienda.

# The foot of a page
in-utc = Las horas están en UTC.
refreshes = Esta página se actualiza cada 10 segundos.
left-as-opened = El tiempo restante es el del momento en que se abrió la página.
language = Idioma
change = Cambiar

# Ways to say no
nothing-here = Aquí no hay nada
nothing-here-help = Compruebe la dirección o empiece de nuevo desde la página de la tienda que le envió aquí.
too-many = Demasiadas solicitudes
too-many-help = Su conexión envió más solicitudes de las que aceptamos a la vez.
line-full = La fila está llena
line-full-help = Vuelva un poco más tarde, por favor.
away = Vuelva en un momento
away-help = Una parte de este sitio no responde ahora. Si está en la fila, se le guarda el lugar.
not-known = No se conoce el resultado
not-known-help = Puede que se haya hecho o que no. Mire la sala de espera y vuelva a intentarlo.
our-fault = Algo ha fallado
our-fault-help = El fallo es nuestro y ha quedado registrado.
link-ended = Este enlace ya no sirve
link-ended-help = Ya se usó o es demasiado antiguo. Cree uno nuevo en el dispositivo que tiene el lugar.
already-in-line = Este navegador ya tiene un lugar
already-in-line-help = Un navegador tiene un solo lugar por venta. Salga primero de la fila aquí y abra después el enlace de nuevo.
changed = Esto ya no es posible
changed-help = Algo ha cambiado entretanto. La sala de espera muestra cómo están las cosas.
cookies-off = Este navegador no guarda cookies de este sitio
cookies-off-help = Este sitio reconoce su lugar por una cookie. No se ha cambiado nada: permita las cookies de este sitio y vuelva a abrir esta página.
other-site = Esta solicitud no vino de este sitio
other-site-help = Abra la venta de nuevo desde la página de la tienda. Si vuelve a fallar, la tienda está mal configurada: avísele, por favor.
not-taken = No se pudo aceptar esta solicitud
not-taken-help = Vuelva a la sala de espera e inténtelo de nuevo desde allí.
retry-seconds =
    { $n ->
        [one] Inténtelo de nuevo en { $n } segundo.
        [many] Inténtelo de nuevo en { $n } de segundos.
       *[other] Inténtelo de nuevo en { $n } segundos.
    }
retry-minutes =
    { $n ->
        [one] Inténtelo de nuevo en { $n } minuto.
        [many] Inténtelo de nuevo en { $n } de minutos.
       *[other] Inténtelo de nuevo en { $n } minutos.
    }
back = Volver a la sala de espera

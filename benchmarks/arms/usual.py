"""The usual FastAPI application, as FastAPI's tutorial writes one.

Sync handlers, a session of SQLAlchemy's ORM for each request, a relationship, ``response_model``. Unlike the
usual ones, it has a hash of the password that costs next to nothing. On SQLite a commit is on disk (FULL).
"""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy import create_engine, event, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, relationship

from benchmarks.arms import DATABASE, MANAGE, PREFIX, VIEW, credentials, may, now
from benchmarks.arms import usual_schemas as schemas
from fluent_cart.database.time_as_text import TimeAsText
from fluent_cart.models import Address, ApplicationPassword, Customer, User
from fluent_cart.services.customers import derived_columns

# The server's own models load no related objects. The usual models load them on access.
Customer.__mapper__.add_property("addresses", relationship(Address, order_by=Address.id))

# Thirty seconds: as many writers as there are clients wait for one lock.
engine = create_engine(DATABASE, connect_args={"timeout": 30} if DATABASE.startswith("sqlite") else {})
if engine.dialect.name == "sqlite":

    @event.listens_for(engine, "connect")
    def use_foreign_keys(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA foreign_keys=ON")

else:

    @event.listens_for(engine, "connect")
    def read_times_as_text(connection: Any, _record: Any) -> None:
        # The server's models have times as the text of the API.
        connection.adapters.register_loader("timestamptz", TimeAsText)


app = FastAPI()


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]


def get_current_user(request: Request, session: SessionDep) -> User:
    given = credentials(request.headers.get("authorization", ""))
    user = given and session.scalar(
        select(User)
        .join(ApplicationPassword, ApplicationPassword.user_id == User.id)
        .where(
            ApplicationPassword.password_hash == given[1],
            or_(User.login_key == given[0], User.email_key == given[0]),
        )
    )
    if not user:
        raise HTTPException(401)
    return user


def require(permission: str) -> Callable[[User], None]:
    def check(user: Annotated[User, Depends(get_current_user)]) -> None:
        if not may(user.role, permission):
            raise HTTPException(403)

    return check


can_view, can_manage = Depends(require(VIEW)), Depends(require(MANAGE))


@app.get(PREFIX, dependencies=[can_view], response_model=schemas.Answer[schemas.CustomerPage])
def list_customers(session: SessionDep, page: int = 1, per_page: int = 10, search: str = "") -> Any:
    query = select(Customer)
    if search:
        columns = (Customer.first_name, Customer.last_name, Customer.email)
        query = query.where(or_(*(column.icontains(search, autoescape=True) for column in columns)))
    total = session.scalar(select(func.count()).select_from(query.subquery() if search else Customer)) or 0
    customers = session.scalars(
        query.order_by(Customer.id.desc()).limit(per_page).offset((page - 1) * per_page)
    ).all()
    pagination = {
        "current_page": page,
        "per_page": per_page,
        "total": total,
        "total_pages": -(-total // per_page),
    }
    return {"data": {"customers": customers, "pagination": pagination}}


@app.get(
    PREFIX + "/{customer_id}",
    dependencies=[can_view],
    response_model=schemas.Answer[schemas.CustomerDetailData],
)
def get_customer(customer_id: int, session: SessionDep) -> Any:
    return {"data": {"customer": find(session, customer_id)}}


@app.post(PREFIX, dependencies=[can_manage], response_model=schemas.Answer[schemas.NewCustomerData])
def create_customer(body: schemas.CustomerCreate, session: SessionDep) -> Any:
    moment = now()
    customer = Customer(**body.model_dump(), created_at=moment, updated_at=moment)
    store(session, customer)
    return {"data": {"customer": customer}}


@app.put(
    PREFIX + "/{customer_id}",
    dependencies=[can_manage],
    response_model=schemas.Answer[schemas.UpdatedCustomerData],
)
def update_customer(customer_id: int, body: schemas.CustomerUpdate, session: SessionDep) -> Any:
    customer = find(session, customer_id)
    for name, value in body.model_dump(exclude_unset=True).items():
        setattr(customer, name, value)
    customer.updated_at = now()
    store(session, customer)
    return {"data": {"customer": customer}}


def find(session: Session, customer_id: int) -> Customer:
    customer = session.get(Customer, customer_id)
    if customer is None:
        raise HTTPException(404)
    return customer


def store(session: Session, customer: Customer) -> None:
    for column, value in derived_columns(vars(customer)).items():
        setattr(customer, column, value)
    session.add(customer)
    try:
        session.commit()
    except IntegrityError:
        raise HTTPException(422, "The email address belongs to another customer") from None
    session.refresh(customer)
